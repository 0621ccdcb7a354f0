oxp_fuzz(fuzz_template SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/template_fuzz.c"
  DEPS oxp_template oxp_promql oxp_labels oxp_regex oxp_base CORPUS tests/fuzz/corpus/template)
