//! A wrong configuration: exit code 2 and one line with file, place and reason.

use crate::bench::Bench;
use std::{fs, os::unix::fs::PermissionsExt};

struct Outcome {
    code: Option<i32>,
    line: String,
}

fn run(bench: &Bench) -> Outcome {
    let output = bench.command().output().unwrap();
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    Outcome { code: output.status.code(), line: line.trim_end().to_owned() }
}

#[tokio::test]
async fn each_mistake_is_one_line_with_file_place_and_reason() {
    let bench = Bench::new().await;
    let good = bench.config();
    let changes = [
        ("listen =", "lisTen =", "gateway.toml: line 1, column 1: unknown field `lisTen`"),
        ("127.0.0.1:0", "here", "gateway.toml: line 1, column 10: invalid socket address"),
        ("\"gateway.key\"", "\"none.key\"", "gateway.toml: tls.key: "),
        ("\"gateway.key\"", "\"gateway.pem\"", "gateway.pem: "),
        ("\"units-ca.pem\"", "\"gateway.key\"", "gateway.toml: tls.client_ca: "),
        ("\"never\"", "\"sometimes\"", "unknown variant `sometimes`"),
        ("\"once\"", "\"street\"", "gateway.toml: service[2].id: 'street' is there twice"),
        ("\"POST\"", "\"GET\"", "gateway.toml: service[0].method: 'GET' is neither POST nor PUT"),
        ("http://127", "http://council.example/127", "service[0].target: "),
        ("http://127.", "gopher://127.", "service[0].target: "),
        ("cap_ms = 100", "cap_ms = 1", "gateway.toml: retry: base_ms"),
        ("\"/reference\"", "\"reference\"", "service[1].reference: is a JSON pointer"),
        ("id = \"form\"", "id = \"form\"\nca = \"gateway.key\"", "service 'form'.ca: "),
    ];
    let places = [
        ("mysql://db/x", "database: 'mysql://' is not a database we know; postgres:// is"),
        ("postgres://a:secret@localhost/x", "database: no password here"),
        (
            "postgres://a@db.example/x",
            "database: a server elsewhere must prove its name: add ?sslmode=verify-full",
        ),
        ("postgres://a@db.example/x?sslmode=verify-full", "database: a server elsewhere must prove its name"),
        ("postgres://a@db.example/x?sslmode=require", "database: a server elsewhere must prove its name"),
    ];
    let configured = format!("database = \"{}\"", bench.place.as_configured());
    let places = places.map(|(to, expected)| (configured.as_str(), format!("database = \"{to}\""), expected));
    let changes =
        changes.map(|(from, to, expected)| (from, to.to_owned(), expected)).into_iter().chain(places);
    for (from, to, expected) in changes {
        assert!(good.contains(from), "{from}");
        bench.write("gateway.toml", &good.replacen(from, &to, 1));
        let outcome = run(&bench);
        assert_eq!(outcome.code, Some(2), "{}", outcome.line);
        assert!(outcome.line.contains(expected), "{expected}: {}", outcome.line);
        assert!(!outcome.line.contains("secret"), "{}", outcome.line);
    }
    fs::remove_file(bench.path("gateway.toml")).unwrap();
    let outcome = run(&bench);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.line.contains("gateway.toml: file: No such file"), "{}", outcome.line);
}

#[tokio::test]
async fn the_key_file_is_made_private_and_must_stay_so() {
    let bench = Bench::new().await;
    let keys = |bench: &Bench| bench.command().arg("--show-keys").output().unwrap();
    let first = keys(&bench);
    assert!(first.status.success());
    let path = bench.path("keys.toml");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(keys(&bench).stdout, first.stdout, "the same keys again");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(run(&bench).line.ends_with("keys.toml: others may read it; chmod 600"));
    fs::write(&path, "[receipt]\nkid = \"g\"\nseed = \"c2hvcnQ=\"\n[[ohttp]]\nid = 1\nseed = \"\"\n")
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(run(&bench).line.ends_with("keys.toml: a seed is not 32 bytes"));
    assert_eq!(run(&bench).code, Some(2));
}
