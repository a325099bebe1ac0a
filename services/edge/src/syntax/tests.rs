use proptest::prelude::*;

use super::*;

fn tree(text: &str) -> Vec<Directive> {
    parse(&"nginx.conf".into(), text).unwrap()
}

fn complaint(text: &str) -> String {
    parse(&"nginx.conf".into(), text).unwrap_err().to_string()
}

#[test]
fn words_quotes_and_escapes() {
    let tree = tree("a 'x y' \"p\\\"q\" r\\ns ${v}w \\d+$ #c; {\n ; 'it\\'s' b#c;");
    assert_eq!(tree[0].args, ["x y", "p\"q", "r\ns", "${v}w", "\\d+$"]);
    assert_eq!((tree[1].name.as_str(), tree[1].origin.line), ("it's", 2));
    assert_eq!(tree[1].args, ["b#c"]);
}

#[test]
fn blocks_nest_and_know_their_lines() {
    let tree = tree(
        "events {}\nhttp {\n  server { listen 80; # c\n    location = / { return 200 'a;b'; }\n  }\n}\n",
    );
    let http = &tree[1];
    assert_eq!(http.origin.line, 2);
    let server = &http.block.as_ref().unwrap()[0];
    let location = &server.block.as_ref().unwrap()[1];
    assert_eq!(location.args, ["=", "/"]);
    assert_eq!(location.origin.to_string(), "nginx.conf:4");
    assert_eq!(location.block.as_ref().unwrap()[0].args, ["200", "a;b"]);
}

#[test]
fn broken_files_are_complaints_with_a_line() {
    assert_eq!(complaint("a b;\n}"), "nginx.conf:2: unexpected \"}\"");
    assert_eq!(complaint("\n;"), "nginx.conf:2: unexpected \";\"");
    assert!(complaint("http {\n a;\n").contains("expecting \"}\""));
    assert!(complaint("user nobody").contains("expecting \";\" or \"}\""));
    assert!(complaint("a \"b\"c;").contains("unexpected \"c\""));
    assert!(complaint("a 'b;").contains("never closed"));
    assert!(complaint(&"a {".repeat(100)).contains("too deeply"));
    assert!(complaint(&"x".repeat(5000)).contains("too long parameter"));
}

fn directive(depth: u32) -> BoxedStrategy<Directive> {
    let words = (
        any::<String>(),
        prop::collection::vec(any::<String>(), 0..4),
    );
    let leaf = words.prop_map(|(name, args)| Directive {
        name,
        args,
        block: None,
        origin: Origin::new("f", 0),
    });
    if depth == 0 {
        return leaf.boxed();
    }
    let block = prop::option::of(prop::collection::vec(directive(depth - 1), 0..3));
    (leaf, block)
        .prop_map(|(mut directive, block)| {
            directive.block = block;
            directive
        })
        .boxed()
}

fn without_lines(tree: &mut [Directive]) {
    for directive in tree {
        directive.origin.line = 0;
        without_lines(directive.block.as_deref_mut().unwrap_or_default());
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "[a-z \"'\\\\{};#$\n]{0,200}") {
        if let Ok(mut once) = parse(&"f".into(), &text) {
            let mut again = parse(&"f".into(), &print(&once)).unwrap();
            without_lines(&mut once);
            without_lines(&mut again);
            prop_assert_eq!(once, again);
        }
    }

    #[test]
    fn printing_and_parsing_give_the_same_tree(tree in prop::collection::vec(directive(2), 0..4)) {
        let mut again = parse(&"f".into(), &print(&tree)).unwrap();
        without_lines(&mut again);
        prop_assert_eq!(tree, again);
    }
}
