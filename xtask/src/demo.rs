//! `cargo xtask demo`: the kiosk and its gateway on a desk, without hardware.
//!
//! Installs what is missing, builds both binaries side by side, then becomes `kiosk demo`.
//!
//! Promises: the exit status is that of `kiosk demo`; `--form` is read relative to the caller's
//! directory, as typed.
//!
//! Never: changes what the demo does; everything it shows is decided by `kiosk demo`.

use crate::{
    packages::{self, Purpose},
    process::{become_program, cargo, succeeds},
    workspace,
};
use anyhow::Result;
use std::{
    ffi::OsString,
    path::PathBuf,
    process::{Command, ExitCode},
};

/// The command line of `cargo xtask demo`.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// A scripted citizen, no window.
    pub script: bool,
    /// A form to publish as one more service.
    pub form: Option<PathBuf>,
    /// List missing packages and stop.
    pub no_install: bool,
    /// An optimised build.
    pub release: bool,
    /// Handed on as they are.
    pub rest: Vec<String>,
}

impl Options {
    /// What `kiosk` is called with.
    fn kiosk_args(&self) -> Vec<OsString> {
        let mut args = vec![OsString::from("demo")];
        if self.script {
            args.push("--script".into());
        }
        if let Some(form) = &self.form {
            args.push("--form".into());
            args.push(form.into());
        }
        args.extend(self.rest.iter().map(OsString::from));
        args
    }

    fn build_args(&self) -> Vec<&'static str> {
        let mut args = vec!["build", "-p", "kiosk-app", "-p", "kiosk-gateway"];
        if self.release {
            args.push("--release");
        }
        args
    }

    fn purposes(&self) -> Vec<Purpose> {
        let mut purposes = vec![Purpose::Build, Purpose::Text];
        if !self.script {
            purposes.extend(packages::window());
        }
        purposes
    }
}

/// Builds, then runs `kiosk demo` in our place.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if !packages::ensure(&options.purposes(), options.no_install)? {
        return Ok(ExitCode::FAILURE);
    }
    let workspace = workspace::load()?;
    if !succeeds(cargo(&options.build_args()).current_dir(&workspace.root))? {
        println!("demo: the build failed; to repeat it: cargo {}", options.build_args().join(" "));
        return Ok(ExitCode::FAILURE);
    }
    let profile = if options.release { "release" } else { "debug" };
    let kiosk = workspace.target.join(profile).join("kiosk");
    become_program(Command::new(kiosk).args(options.kiosk_args()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_reach_the_kiosk_as_typed() {
        let options = Options {
            script: true,
            form: Some("a form.json".into()),
            rest: vec!["--seed".into(), "7".into()],
            ..Options::default()
        };
        let args = ["demo", "--script", "--form", "a form.json", "--seed", "7"];
        assert_eq!(options.kiosk_args(), args.map(OsString::from));
        assert_eq!(Options::default().kiosk_args(), [OsString::from("demo")]);
    }

    #[test]
    fn a_script_needs_no_window() {
        let script = Options { script: true, ..Options::default() };
        assert_eq!(script.purposes(), [Purpose::Build, Purpose::Text]);
    }

    #[test]
    fn release_is_asked_of_cargo() {
        let release = Options { release: true, ..Options::default() };
        assert!(release.build_args().contains(&"--release"));
        assert!(!Options::default().build_args().contains(&"--release"));
    }
}
