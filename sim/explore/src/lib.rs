//! Many runs of one scenario: sweeps over seeds, fault schedules drawn from seeds, and failures
//! reduced to their smallest form.
//!
//! Deliberately absent: how one run is made (`squall_scenario`), and the command line.
