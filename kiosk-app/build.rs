//! Compiles the user interface and bundles its translations.
//!
//! With the demo, elements keep what the test back end needs to find them by label; a unit's build does not.

fn main() -> Result<(), slint_build::CompileError> {
    let config = slint_build::CompilerConfiguration::new()
        .with_bundled_translations("lang")
        .with_default_translation_context(slint_build::DefaultTranslationContext::None)
        .with_debug_info(std::env::var_os("CARGO_FEATURE_DEMO").is_some());
    slint_build::compile_with_config("ui/app.slint", config)
}
