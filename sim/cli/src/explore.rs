//! `--explore` and `squall draw`: the faults that a seed draws within a scenario's budgets.

use std::path::Path;

use squall_explore::Facts;
use squall_host::{Diagnostic, Diagnostics, Origin};
use squall_record::Verdict;
use squall_scenario::file::write::write;
use squall_scenario::{Plan, Scenario};

use crate::args::{Chance, DrawArgs};
use crate::exit::{Exit, complain_all, written};
use crate::programs;

/// The seed of a scenario that names none.
pub(crate) const SEED: u64 = 1;

/// Does what `squall draw` is asked for.
pub(crate) fn draw(args: &DrawArgs) -> Exit {
    let chance = Chance {
        variant: args.variant.clone(),
        seed: Some(args.seed),
        explore: true,
    };
    match open(&args.file, &chance) {
        Ok((plan, seed)) => {
            let mut scenario = Scenario::clone(&plan.scenario);
            scenario.seed = Some(seed);
            // What the file says of its own end is not said of these faults.
            scenario.verdict = Verdict::Passed;
            scenario.fails.clear();
            let file = args.file.display();
            let command = command("run", &args.file, &chance);
            let comment = format!("Drawn by seed {seed} from {file}: the same run as\n{command}");
            let text = write(&scenario, &comment);
            written(std::io::Write::write_all(
                &mut std::io::stdout().lock(),
                text.as_bytes(),
            ));
            Exit::Passed
        }
        Err(diagnostics) => {
            complain_all(&diagnostics);
            Exit::BadInput
        }
    }
}

/// Plans the scenario of a file, with the faults that the seed draws when it explores; and the seed.
pub(crate) fn open(file: &Path, chance: &Chance) -> Result<(Plan, u64), Diagnostics> {
    let variant = chance.variant.as_deref();
    let plan = programs::with(|programs| Plan::open_as(file, variant, programs))?;
    let seed = chance.seed.or(plan.scenario.seed).unwrap_or(SEED);
    if !chance.explore {
        return Ok((plan, seed));
    }
    if !has_budget(&plan) {
        let origin = Origin::new(plan.scenario.file.clone(), 0);
        let problem = Diagnostic::at(origin, "nothing to explore: no phase has an `explore`");
        let help = "say in a phase which faults may befall whom: `explore: {faults: [kill], services: [NAME]}`";
        return Err(problem.help(help).into());
    }
    Ok((drawn(&plan, file, seed)?, seed))
}

/// Whether a seed may draw faults in one of its phases.
pub(crate) fn has_budget(plan: &Plan) -> bool {
    let mut phases = plan.scenario.phases.iter();
    phases.any(|phase| phase.explore.is_some())
}

/// Plans a scenario with the faults that a seed draws.
pub(crate) fn drawn(plan: &Plan, file: &Path, seed: u64) -> Result<Plan, Diagnostics> {
    of(
        squall_explore::draw(&plan.scenario, &Facts::of(plan), seed),
        file,
    )
}

/// Plans a scenario as if it stood in a file.
pub(crate) fn of(scenario: Scenario, file: &Path) -> Result<Plan, Diagnostics> {
    let folder = file.parent().unwrap_or(Path::new(""));
    programs::with(|programs| Plan::of(scenario, folder, programs))
}

/// A scenario's name for a file: a variant has it in parentheses.
pub(crate) fn file_stem(name: &str, variant: Option<&str>) -> String {
    match variant {
        Some(variant) => name.replace(&format!(" ({variant})"), &format!("-{variant}")),
        None => name.to_owned(),
    }
}

/// The command that does something with the same run.
pub(crate) fn command(what: &str, file: &Path, chance: &Chance) -> String {
    let file = file.display().to_string();
    let quote = if file.contains(char::is_whitespace) {
        "'"
    } else {
        ""
    };
    let mut command = format!("squall {what} {quote}{file}{quote}");
    for option in options(chance) {
        command.push(' ');
        command.push_str(&option);
    }
    command
}

/// The options that say the same again.
pub(crate) fn options(chance: &Chance) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(variant) = &chance.variant {
        options.extend(["--variant".to_owned(), variant.clone()]);
    }
    if chance.explore {
        options.push("--explore".to_owned());
    }
    if let Some(seed) = chance.seed {
        options.extend(["--seed".to_owned(), seed.to_string()]);
    }
    options
}
