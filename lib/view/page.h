/* page: streams and stores as one HTML page that needs nothing else: no network, no other file.
 *
 *     struct ptd_page *p = ptd_page_open(stdout);
 *     if (ptd_page_stream(p, fd, "run.rec", 0)) ...   // -1: the page says where it ends
 *     if (ptd_page_store(p, "run.ptd")) ...
 *     ptd_page_close(p);
 *
 * The page is lib/view/page.html with its style and script, and in the place of its mark the data,
 * a <script type="application/json" data-is=KIND> each, in this order:
 *
 *     stream   {"s": number of the stream, "name", "head": as ptd-dump shows it, "named": tokens
 *              have names}
 *     group    a line of the list, see ptd_page_line; the element behind it, data-is="detail", is
 *              the rest of the group: JSON, deflated (RFC 1951), as base64
 *     picture  base64 of a WebP, id "p" and the picture's digest; each once, before its first group
 *     words    {"s", "words": {id: text}}, the tokens that were shown
 *     end      {"s", "whole": 0 or 1, "why"}
 *     store    {"name", "lines", "tensors"}
 *
 * Only what is looked at is unpacked, so a page of a thousand groups opens at once. Texts are data
 * from end to end: they stand in no markup here, and the script puts them down as text; its own
 * digest and that of the style are in the page's policy, so that nothing else runs.
 *
 * Size. Groups share PTD_PAGE_AHEAD + PTD_PAGE_GROUP bytes each; what one leaves over is others'.
 * Where it is not enough, words beside a token go first, then small pictures, the tokens' numbers,
 * the ends of long texts, the last of many responses and pictures. So 1,000 groups stay below 30
 * MB. */
#ifndef PTD_PAGE_H
#define PTD_PAGE_H
#include "base/err.h"
#include <stdint.h>
#include <stdio.h>

#define PTD_PAGE_AHEAD (2 << 20)
#define PTD_PAGE_GROUP 26000

struct ptd_page;
/* Writes the page's beginning. title: what the browser calls it. */
struct ptd_page *ptd_page_open(FILE *out, const char *title);
/* Where tokens get their names if a stream's own store is not to be read: another one. */
void ptd_page_tokens(struct ptd_page *p, const char *store);
/* All groups, or the first `most`, of the stream, whose descriptor is closed. -1: as
 * ptd_reader_next says, or 65 a group that is none; the page tells it too. */
int ptd_page_stream(struct ptd_page *p, int fd, const char *name, int64_t most) PTD_MUST_CHECK;
int ptd_page_store(struct ptd_page *p, const char *dir) PTD_MUST_CHECK;
void ptd_page_close(struct ptd_page *p);
#endif
