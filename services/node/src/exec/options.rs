//! A command's options: `-fsS`, `-m 5`, `-m5`, `--max-time 5`, `--max-time=5`.

/// Options one by one, with the letters of `-fsS` taken apart: calls `each` with the name and a
/// way to get its value. What is left are the operands.
pub(super) fn options<'a>(
    args: &[&'a str],
    valued: &str,
    mut each: impl FnMut(&'a str, &mut dyn FnMut() -> Result<&'a str, String>) -> Result<(), String>,
) -> Result<Vec<&'a str>, String> {
    let mut operands = Vec::new();
    let mut index = 0;
    while let Some(&arg) = args.get(index) {
        index += 1;
        if let Some(long) = arg.strip_prefix("--") {
            let (name, attached) = match long.split_once('=') {
                Some((_, value)) => (&arg[..arg.len() - value.len() - 1], Some(value)),
                None => (arg, None),
            };
            each(name, &mut || {
                attached.map_or_else(|| next(args, &mut index, name), Ok)
            })?;
        } else if arg.len() > 1 && arg.starts_with('-') {
            let mut at = 1;
            while let Some(letter) = arg[at..].chars().next() {
                let end = at + letter.len_utf8();
                let attached = &arg[end..];
                let takes = valued.contains(letter);
                let name = &arg[at..end];
                each(name, &mut || match attached {
                    "" => next(args, &mut index, name),
                    attached => Ok(attached),
                })?;
                if takes {
                    break;
                }
                at = end;
            }
        } else {
            operands.push(arg);
        }
    }
    Ok(operands)
}

fn next<'a>(args: &[&'a str], index: &mut usize, name: &str) -> Result<&'a str, String> {
    let value = args
        .get(*index)
        .ok_or_else(|| format!("{name} without a value"))?;
    *index += 1;
    Ok(value)
}
