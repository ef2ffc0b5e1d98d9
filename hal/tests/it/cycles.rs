//! A small dose of plug cycles of every simulated device; `cargo xtask bench cycles -- --full` is the full one.

use hal::sim::cycles::{self, DEVICES};
use std::process::Command;

const DOSE: usize = 256;

/// Names the device for the test that runs in a process of its own.
const DEVICE: &str = "HAL_CYCLES_DEVICE";

#[test]
fn every_device_survives_plugging_and_leaves_nothing_behind() {
    // Other tests of this binary may run in this process; what they hold is not to be counted.
    for (device, ..) in DEVICES {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "cycles::one_device_alone", "--nocapture"]).env(DEVICE, device);
        let output = alone.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{device}: {said}{}", String::from_utf8_lossy(&output.stderr));
        let clean = "leaked descriptors 0, leaked threads 0, leaked bytes 0";
        assert!(said.contains(&format!("device {device}, cycles {DOSE}, {clean}")), "{said}");
    }
}

#[test]
fn one_device_alone() {
    // Alone it has nothing to do: the test above names a device in a process of its own.
    let Ok(device) = std::env::var(DEVICE) else { return };
    let report = cycles::run(&device, DOSE, || crate::ALLOCATOR.allocated()).unwrap();
    println!("{report}");
    assert!(report.is_clean(), "{report}");
}
