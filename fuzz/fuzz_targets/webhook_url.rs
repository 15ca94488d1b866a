#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scim_fuzz::on_a_small_stack(scim_fuzz::webhook_url, data));
