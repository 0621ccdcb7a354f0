oxp_fuzz(fuzz_parse_event SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/parse_event_fuzz.c" DEPS oxp_parse oxp_event oxp_base
  CORPUS tests/fuzz/corpus/parse_event)
