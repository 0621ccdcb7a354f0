oxp_fuzz(fuzz_audit SOURCES ${PROJECT_SOURCE_DIR}/tests/fuzz/audit_fuzz.c DEPS oxp_parse oxp_event oxp_base
  CORPUS tests/fuzz/corpus/audit)
