/* Inside oxpecker-docs, the program that writes the generated pages: one function a page. Each appends the whole page.
 */
#ifndef OXP_DOCS_GENERATE_H
#define OXP_DOCS_GENERATE_H

#include "lib/base/buf.h"

void generate_configuration(struct oxp_buf *out); /* docs/configuration.md */
void generate_metrics(struct oxp_buf *out);       /* docs/metrics.md */
void generate_events(struct oxp_buf *out);        /* docs/events.md */
void generate_errors(struct oxp_buf *out);        /* docs/errors.md */
void generate_promql(struct oxp_buf *out);        /* docs/promql.md */
void generate_man(struct oxp_buf *out);           /* docs/oxpecker.1 */

/* `text` in a cell of a Markdown table: a bar would end the cell, an angle bracket would begin markup. */
void generate_cell(struct oxp_buf *out, const char *text);

#endif
