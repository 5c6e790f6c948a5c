/* encoder: the picture tower by itself, where it is frozen: what it makes of a picture is a matter
 * of the picture alone, so the programs of a pipe make it once and find it on a shelf (shelf.h).
 *
 *     m->encoder = ptd_encoder_new(m, identity);
 *     ptd_encoder_rows(m->encoder, picture, rows);
 *
 * Each picture is computed alone, whether it is kept or not: its rows have the same bits wherever
 * and beside whatever it is met. */
#ifndef PTD_ENCODER_H
#define PTD_ENCODER_H
#include "net/model.h"

/* bytes of rows on the shelf, for all runs of a user; PTD_ROWS_MAX in the environment overrides it,
 * 0: none is kept */
#define PTD_ENCODER_SHELF ((int64_t)256 << 20)

struct ptd_encoder;
/* 1: a store of this model serves pictures so: it has an adapter, and no parameter of the tower
 * moves. */
int ptd_encoder_serves(const struct ptd_model *m);
/* For ptd_model_load: m->encoder, if it serves. -1 as ptd_encoder_new, or a store's. */
int ptd_encoder_attach(struct ptd_model *m, struct ptd_store *s) PTD_MUST_CHECK;
/* No longer, if the tower moves now. */
void ptd_encoder_detach(struct ptd_model *m);
/* identity: of the frozen weights (ptd_store_identity of generation 0). NULL: 78, PTD_ROWS_MAX is
 * no number of bytes, or PTD_SHM no folder. */
struct ptd_encoder *ptd_encoder_new(struct ptd_model *m, const char *identity);
void ptd_encoder_free(struct ptd_encoder *e);
/* Merged rows of a picture, [1 + n_deepstack][n][hidden] with n its pads: the merger's, then what
 * is added behind the first layers. -1: a size that the patches do not divide (65), a device's
 * fault. */
int ptd_encoder_rows(struct ptd_encoder *e, const struct ptd_picture *p,
                     float *rows) PTD_MUST_CHECK;
/* Pictures so far, and how many of them were found. */
void ptd_encoder_counts(const struct ptd_encoder *e, int64_t *all, int64_t *found);
#endif
