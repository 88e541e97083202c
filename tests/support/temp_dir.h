/* A fresh folder for each test, removed afterwards with all that is in it. A checked
 * fixture of libcheck; the end also asserts that the test left no descriptor open. */
#ifndef SUPPORT_TEMP_DIR_H
#define SUPPORT_TEMP_DIR_H

void temp_dir_setup(void);
void temp_dir_teardown(void);

/* Absolute; valid until the teardown. */
const char *temp_dir_path(void);
/* The path of `name` in it; the caller frees it. */
char *temp_dir_join(const char *name);

#endif
