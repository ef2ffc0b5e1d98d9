//! Compiles the user interface and bundles its translations.

fn main() -> Result<(), slint_build::CompileError> {
    // The demo and the tests find controls by label: that takes the element tree of debug info. The
    // drawer that plays the outside world is part of the demo only.
    let demo = std::env::var_os("CARGO_FEATURE_DEMO").is_some();
    let config = slint_build::CompilerConfiguration::new()
        .with_bundled_translations("lang")
        .with_default_translation_context(slint_build::DefaultTranslationContext::None)
        .with_debug_info(demo);
    slint_build::compile_with_config(if demo { "ui/demo.slint" } else { "ui/app.slint" }, config)
}
