//! The tables of fields in the book ("Kubernetes") are those of the reader.
#![allow(clippy::unwrap_used)]

const BOOK: &str = include_str!("../../../docs/src/kubernetes.md");

const BEGIN: &str = "<!-- supported: begin -->\n\n";
const END: &str = "<!-- supported: end -->\n";

#[test]
fn the_book_shows_the_readers_table() {
    let (_, after) = BOOK.split_once(BEGIN).unwrap();
    let (shown, _) = after.split_once(END).unwrap();
    let table = squall_cluster::kubernetes::supported();
    if shown != table {
        let line = shown
            .lines()
            .zip(table.lines())
            .find(|(shown, table)| shown != table);
        let made = std::env::temp_dir().join("squall-kubernetes-fields.md");
        std::fs::write(&made, &table).unwrap();
        panic!(
            "docs/src/kubernetes.md differs from the table, first in {line:?}; put {} between the marks",
            made.display()
        );
    }
}
