/* The simulator's plain copies between the TPU's local memory and the camera's: the same bytes, row by row.
 *
 * The simulator finds the place of each byte by six divisions of 64-bit numbers. Here they are counted up. It
 * still gets each command, for the first element alone, so that its checks and its notes about the order of
 * commands stay its own.
 */
#include <stddef.h>
#include <stdint.h>

/* The simulator's description of a TPU (chip_t). The lanes' memories lie one after another. */
typedef struct {
    uint32_t unused[2], lanes, lane_shift, lane_mask, units[3];
    uint64_t unused_too, lane_size;
    uint32_t size_shift, size_mask;
    uint64_t local_unused[2], global_start, global_size;
    char *local, *global;
    uint64_t unused_last, bases[8];
} chip;

/* Words of a copy's command. (parse_cv182x_tdma_reg in tpu_mlir's CV18xx_profiling.cpp names their fields.) */
enum { WORDS = 16, FLAGS = 0, FORMATS = 1, BASES = 3, DST_C_H = 4, DST_N = 5, SRC_C_H = 6, SRC_N = 7 };
enum { CHANNELS_OF = 8, DST_W_H = 9, SRC_W_H = 10, DST_AT = 11, SRC_AT = 12, REST = 13, HIGH_STRIDES = 14 };
enum { LOAD, STORE, GLOBAL_TO_GLOBAL, LOCAL_TO_LOCAL };
enum { INT8 = 1, BF16 = 2 };

/* A tensor in memory, and the element that is next. Strides and places are in bytes. */
typedef struct {
    int is_local;
    uint64_t start, by_n, by_c, by_h;
    uint32_t size_c, size_h, size_w, n, c, h, w;
} tensor;

/* Returns the address of the next element, and of all `bytes` after it; NULL where one is outside. */
static char *place(const chip *tpu, const tensor *t, size_t element, size_t bytes)
{
    if (!t->is_local) {
        const uint64_t at = t->start + t->n * t->by_n + t->c * t->by_c + t->h * t->by_h + t->w * element;
        return at <= tpu->global_size && bytes <= tpu->global_size - at ? tpu->global + at : NULL;
    }
    /* Channels are distributed to the lanes, beginning with the one that the address is in. */
    const uint64_t lane = (t->start >> tpu->size_shift) + t->c;
    const uint32_t at = (uint32_t)((t->start & tpu->size_mask) + t->n * t->by_n + (lane >> tpu->lane_shift) * t->by_c +
                                   t->h * t->by_h + t->w * element);
    if (at > tpu->lane_size || bytes > tpu->lane_size - at)
        return NULL;
    return tpu->local + (lane & tpu->lane_mask) * tpu->lane_size + at;
}

static void step(tensor *t, uint32_t elements)
{
    if ((t->w += elements) < t->size_w)
        return;
    t->w = 0;
    if (++t->h < t->size_h)
        return;
    t->h = 0;
    if (++t->c < t->size_c)
        return;
    t->c = 0;
    t->n++;
}

/* Copies elements in their order; returns 0 where one is outside of its memory.
 *
 * With `range`, copies nothing, and sets the first address that would be written and the one after the last. */
static int copied(const chip *tpu, tensor from, tensor to, uint64_t elements, size_t element, char *range[2])
{
    while (elements) {
        uint32_t run = from.size_w - from.w < to.size_w - to.w ? from.size_w - from.w : to.size_w - to.w;
        const char *source = place(tpu, &from, element, run * element);
        char *target = place(tpu, &to, element, run * element);
        if (!source || !target)
            return 0;
        if (range) {
            range[0] = target < range[0] ? target : range[0];
            range[1] = target + run * element > range[1] ? target + run * element : range[1];
        } else {
            /* Byte by byte, because the two may overlap; the compiler finds out where they do not. */
            for (size_t i = 0; i < run * element; i++)
                target[i] = source[i];
        }
        step(&from, run), step(&to, run);
        elements -= run;
    }
    return 1;
}

/* A command as a copy of elements between two tensors. */
typedef struct { tensor from, to; uint64_t elements; size_t element; } copy;

/* Reads a command; returns 0 for those that do more than to copy. */
static int is_copy(const chip *tpu, const uint32_t *p, copy *found)
{
    const uint32_t direction = p[FLAGS] >> 6 & 3, to_format = p[FORMATS] >> 3 & 3, from_format = p[FORMATS] >> 5 & 3;
    const int is_compressed = p[FLAGS] >> 1 & 1, is_general = p[FLAGS] >> 10 & 1, is_matrix = p[FORMATS] >> 8 & 1;
    if (direction == GLOBAL_TO_GLOBAL || is_compressed || is_general || is_matrix || (p[FORMATS] & 7) != 0 ||
        to_format != from_format || (to_format != INT8 && (to_format != BF16 || direction == LOCAL_TO_LOCAL)))
        return 0;
    tensor from = {
        .is_local = direction != LOAD, .start = p[SRC_AT], .by_n = p[SRC_N], .by_h = p[SRC_C_H] & 0xffff,
        .by_c = p[SRC_C_H] >> 16 | p[HIGH_STRIDES] << 16,
        .size_c = p[CHANNELS_OF] >> 16, .size_w = p[SRC_W_H] & 0xffff, .size_h = p[SRC_W_H] >> 16,
    };
    tensor to = {
        .is_local = direction != STORE, .start = p[DST_AT], .by_n = p[DST_N], .by_h = p[DST_C_H] & 0xffff,
        .by_c = p[DST_C_H] >> 16 | (p[HIGH_STRIDES] & 0xffff0000),
        .size_c = p[CHANNELS_OF] & 0xffff, .size_w = p[DST_W_H] & 0xffff, .size_h = p[DST_W_H] >> 16,
    };
    /* An address of the camera's memory is relative to one of eight base registers. */
    if (!from.is_local)
        from.start += ((uint64_t)(p[REST] >> 24) << 32) + tpu->bases[p[BASES] >> 16 & 7] - tpu->global_start;
    if (!to.is_local)
        to.start += ((uint64_t)(p[REST] >> 16 & 0xff) << 32) + tpu->bases[p[BASES] >> 20 & 7] - tpu->global_start;
    const uint64_t n = p[REST] & 0xffff, elements = n * from.size_c * from.size_h * from.size_w;
    *found = (copy){from, to, elements, to_format == BF16 ? 2 : 1};
    return elements && elements == n * to.size_c * to.size_h * to.size_w;
}
