//! A file that cannot be used stops the role at start: exit code 2, one line with file, place, reason.

mod state_folder;

use kiosk_tests::run;
use std::{fs, path::Path};

/// Writes `files` into a fresh folder, runs `role` on the first, and returns its one line.
fn refused(role: &str, files: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content.replace("DIR", dir.path().to_str().unwrap())).unwrap();
    }
    let config = dir.path().join(files[0].0);
    let run = match role {
        "gateway" => run("kiosk-gateway", &["--config", config.to_str().unwrap()]),
        role => run("kiosk", &[role, "--config", config.to_str().unwrap()]),
    };
    assert_eq!(run.code, Some(2), "{}{}", run.stdout, run.stderr);
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", run.stderr);
    lines[0].to_owned()
}

fn says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
}

const SHELL: &str =
    "place = \"Here\"\nsocket = \"DIR/sock\"\nservices = \"DIR/services\"\nlanguages = [\"en\"]\n";

#[test]
fn a_config_with_an_unknown_key() {
    says(
        &refused("agent", &[("agent.toml", "sockett = \"/run/x\"\n")]),
        &["agent.toml", "line 1", "sockett"],
    );
    says(&refused("shell", &[("shell.toml", "place = 7\n")]), &["shell.toml", "line 1"]);
    says(&refused("gateway", &[("gateway.toml", "listen = \"nowhere\"\n")]), &["gateway.toml"]);
}

#[test]
fn a_config_that_is_not_there() {
    let missing = run("kiosk", &["agent", "--config", "/nowhere/agent.toml"]);
    assert_eq!(missing.code, Some(2));
    says(&missing.stderr, &["/nowhere/agent.toml"]);
}

#[test]
fn a_certificate_that_is_none() {
    let agent = "socket = \"DIR/sock\"\nstate = \"DIR/state\"\ngateway = \"https://127.0.0.1:1/\"\n\
        gateway_ca = \"DIR/ca.pem\"\ncertificate = \"DIR/unit.pem\"\nkey = \"DIR/unit.key\"\n\
        receipt_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\nreceipt_kid = \"k\"\n";
    let broken = "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n";
    let files = [("agent.toml", agent), ("ca.pem", broken), ("unit.pem", broken), ("unit.key", "")];
    says(&refused("agent", &files), &["ca.pem"]);
}

#[test]
fn a_broken_catalogue() {
    let files = [("shell.toml", SHELL), ("services/report/service.toml", "id = \"other\"\n")];
    says(&refused("shell", &files), &["report/service.toml"]);
}

#[test]
fn a_form_component_we_cannot_show_is_named() {
    let service = fs::read_to_string(demo_service("service.toml")).unwrap();
    let service = service.replace("languages = [\"en\", \"fr\", \"cy\", \"ar\"]", "languages = [\"en\"]");
    let form =
        fs::read_to_string(demo_service("form.en.json")).unwrap().replace("RadiosField", "HologramField");
    let keep = ["[words.fr]", "[words.cy]", "[words.ar]"];
    let service = keep.iter().fold(service, |text, table| without(&text, table));
    let files = [
        ("shell.toml", SHELL),
        ("services/report-street-problem/service.toml", service.as_str()),
        ("services/report-street-problem/form.en.json", form.as_str()),
    ];
    says(&refused("shell", &files), &["form.en.json", "pages[1].components[0]", "HologramField"]);
}

#[test]
fn a_service_without_a_key_that_works() {
    let service = fs::read_to_string(demo_service("service.toml")).unwrap();
    let mut files =
        vec![("shell.toml".to_owned(), SHELL.replace("[\"en\"]", "[\"en\", \"fr\", \"cy\", \"ar\"]"))];
    let at = |name: &str| format!("services/report-street-problem/{name}");
    files.push((at("service.toml"), service));
    for language in ["en", "fr", "cy", "ar"] {
        let name = format!("form.{language}.json");
        files.push((at(&name), fs::read_to_string(demo_service(&name)).unwrap()));
    }
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    says(&refused("shell", &files), &["report-street-problem/service.toml", "target.key", "missing"]);
}

#[test]
fn a_retry_without_a_pause() {
    let agent = "socket = \"DIR/sock\"\nstate = \"DIR/state\"\ngateway = \"https://127.0.0.1:1/\"\n\
        gateway_ca = \"DIR/ca.pem\"\ncertificate = \"DIR/unit.pem\"\nkey = \"DIR/unit.key\"\n\
        receipt_key = \"AAAA\"\nreceipt_kid = \"k\"\n[retry]\nbase_ms = 0\n";
    says(&refused("agent", &[("agent.toml", agent)]), &["agent.toml", "retry", "base_ms"]);
}

#[test]
fn a_time_zone_that_is_none() {
    let config = format!("time_zone = \"Middle/Earth\"\n{SHELL}");
    let files = [("shell.toml", config.as_str()), ("services/README", "no service here")];
    says(&refused("shell", &files), &["shell.toml", "time_zone", "Middle/Earth"]);
}

#[test]
fn a_language_nobody_translated() {
    let config = SHELL.replace("[\"en\"]", "[\"tlh\"]");
    says(&refused("shell", &[("shell.toml", &config)]), &["shell.toml", "languages", "tlh"]);
}

#[test]
fn a_device_no_driver_takes() {
    let config = format!("{SHELL}[devices.printer]\nselector = \"sim:press\"\nprofile = \"generic-80\"\n");
    fs_services(&config);
}

/// The devices are opened after the catalogue; an empty catalogue is allowed.
fn fs_services(config: &str) {
    let files = [("shell.toml", config), ("services/README", "no service here")];
    says(&refused("shell", &files), &["shell.toml", "devices.printer", "sim:press"]);
}

fn demo_service(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../kiosk-app/demo/services/report-street-problem").join(name)
}

/// `text` without one TOML table.
fn without(text: &str, table: &str) -> String {
    let Some(start) = text.find(table) else { return text.to_owned() };
    let rest = &text[start + table.len()..];
    let end = rest.find("\n[").map_or(text.len(), |n| start + table.len() + n + 1);
    format!("{}{}", &text[..start], &text[end..])
}
