//! The judgement that the three invariants about applied transfers share, each for one fate.

use squall_record::{Fate, RunRecord};

use crate::ledger::Ledger;
use crate::ledger::blame::{Deviation, Few};
use crate::ledger::explain::{Explanation, explain, wrong_accounts};
use crate::{Accounts, Judged};

/// The ledgers of a run with what explains them: found when first asked for, and once for all who ask.
pub(crate) struct Explained<'a> {
    record: &'a RunRecord,
    found: Vec<(&'a Accounts, Found<'a>)>,
}

/// A ledger and what explains it, or why there is none.
type Found<'a> = Result<(Ledger<'a>, Explanation), String>;

impl<'a> Explained<'a> {
    /// Of a run; nothing is found yet.
    pub(crate) fn of(record: &'a RunRecord) -> Self {
        Self {
            record,
            found: Vec::new(),
        }
    }

    fn get(&mut self, accounts: &'a Accounts) -> &Found<'a> {
        let known = self.found.iter().position(|(of, _)| *of == accounts);
        let place = known.unwrap_or_else(|| {
            let ledger = Ledger::read(self.record, accounts);
            let found = ledger.map(|ledger| {
                let explanation = explain(&ledger);
                (ledger, explanation)
            });
            self.found.push((accounts, found));
            self.found.len() - 1
        });
        &self.found[place].1
    }
}

/// Whether the transfers of a fate were applied as they must, going by the last quiescent read.
pub(crate) fn judge<'a>(
    explained: &mut Explained<'a>,
    accounts: &'a Accounts,
    fate: Fate,
) -> Judged {
    let (ledger, explanation) = match explained.get(accounts) {
        Ok((ledger, explanation)) => (ledger, explanation),
        Err(why) => return (None, why.clone()).into(),
    };
    let fates = [Fate::Acknowledged, Fate::Refused, Fate::Unknown];
    let [acknowledged, refused, unknown] = fates.map(|fate| ledger.count(fate));
    let seen = format!(
        "the balances at {} after {acknowledged} acknowledged, {refused} refused and {unknown} unknown \
         transfers",
        crate::seconds(ledger.read_us)
    );
    let holds = match explanation {
        _ if ledger.count(fate) == 0 => Some(true),
        Explanation::Right(_) => Some(true),
        Explanation::Few(few) => Some(!blames(ledger, few, fate)),
        Explanation::Many(fates) if fates.contains(&fate) => Some(false),
        Explanation::Beyond if fate == Fate::Acknowledged => Some(false),
        Explanation::Many(_) | Explanation::Beyond | Explanation::Open => None,
    };
    let judged = Judged::from((holds, format!("{seen} {}", why(ledger, explanation))));
    judged
        .figure("acknowledged", acknowledged)
        .figure("refused", refused)
        .figure("unknown", unknown)
        .figure("wrong_accounts", wrong_accounts(ledger) as i64)
}

fn blames(ledger: &Ledger<'_>, few: &Few, fate: Fate) -> bool {
    let mut blamed = few.deviations.iter();
    blamed.any(|one| ledger.transfers[one.transfer].fate == fate)
}

fn why(ledger: &Ledger<'_>, explanation: &Explanation) -> String {
    match explanation {
        Explanation::Right(done) => match ledger.count(Fate::Unknown) {
            0 => "are exactly their sum".to_owned(),
            _ => format!("are right if {} of the unknown were applied", done.len()),
        },
        Explanation::Few(few) => {
            let blamed: Vec<String> = few.deviations.iter().map(|one| what(ledger, one)).collect();
            let (blamed, and) = (blamed.join("; "), match few.is_unique {
                true => "",
                false => " (or others like it)",
            });
            format!("are explained by {}{and}: {blamed}", few.deviations.len())
        }
        Explanation::Many(fates) => {
            let fates: Vec<String> = fates.iter().map(Fate::to_string).collect();
            format!(
                "are wrong; more than 3 {} ones that were applied against their answers can explain them",
                fates.join(" and ")
            )
        }
        Explanation::Beyond => {
            let residual = ledger.residual();
            let first = residual.iter().position(|beyond| *beyond != 0);
            let first = first.map_or(String::new(), |account| {
                format!(
                    "; the first, {}, holds {}, and what was acknowledged makes {}",
                    ledger.names[account],
                    ledger.balances[account],
                    i128::from(ledger.balances[account]) - residual[account]
                )
            });
            format!("are wrong, and refused and unknown ones do not explain it{first}")
        }
        Explanation::Open => {
            "may be right or not: the unknown ones are too many to tell within a million steps; make \
             them fewer"
                .to_owned()
        }
    }
}

/// A transfer, and what went wrong with it.
fn what(ledger: &Ledger<'_>, one: &Deviation) -> String {
    let fate = ledger.transfers[one.transfer].fate;
    let wrong = match (fate, one.sender, one.receiver) {
        (Fate::Unknown, 1, 1) => "applied twice",
        (Fate::Unknown, ..) => "applied in half",
        (Fate::Refused, 1, 1) => "applied",
        (Fate::Refused, 1, _) => "applied to the sender alone",
        (Fate::Refused, ..) => "applied to the receiver alone",
        (Fate::Acknowledged, -1, -1) => "not applied",
        (Fate::Acknowledged, -1, _) => "not applied to the sender",
        (Fate::Acknowledged, _, -1) => "not applied to the receiver",
        (Fate::Acknowledged, 1, 1) => "applied twice",
        (Fate::Acknowledged, 1, _) => "applied twice to the sender",
        (Fate::Acknowledged, ..) => "applied twice to the receiver",
    };
    format!("{}, {wrong}", ledger.describe(one.transfer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{accounts, balances, record, transfer};

    #[test]
    fn who_asks_again_is_told_the_same_and_nothing_is_searched_again() {
        let record = record(vec![
            transfer(0, "a", "b", 5),
            balances(2, &[("a", 5), ("b", 5)]),
        ]);
        let (ours, others) = (accounts(), accounts());
        let mut unread = accounts();
        unread.accounts = "nobody".to_owned();
        let mut explained = Explained::of(&record);
        for accounts in [&ours, &others] {
            let judged = judge(&mut explained, accounts, Fate::Acknowledged);
            assert_eq!(judged.holds, Some(false));
        }
        assert_eq!(explained.found.len(), 1);
        let judged = judge(&mut explained, &unread, Fate::Acknowledged);
        assert_eq!((judged.holds, explained.found.len()), (None, 2));
    }
}
