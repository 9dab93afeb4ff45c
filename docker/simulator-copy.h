/* The simulator's copies between the TPU's local memory and the camera's, and inside of the local memory, where
 * they may convert numbers: the same bytes, row by row.
 *
 * The simulator finds the place of each byte by six divisions of 64-bit numbers. Here they are counted up. It
 * still gets each command, for the first element alone, so that its checks and its notes about the order of
 * commands stay its own.
 */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
/* The bits of the word BASES that ask for more than a copy, made of the exponents. */
enum { EXPONENTS = 1 << 19 | 1 << 23 };

/* A tensor in memory, and the element that is next. Strides, places and the size of an element are in bytes. */
typedef struct {
    int is_local;
    uint64_t start, by_n, by_c, by_h;
    uint32_t element, size_c, size_h, size_w, n, c, h, w;
} tensor;

/* A command as a copy of elements between two tensors. */
typedef struct {
    tensor from, to;
    uint64_t elements;
    int is_signed, truncates; /* the INT8 numbers of a conversion; the rounding of one to INT8 */
} copy;

/* Returns the address of the next element, and of all `bytes` after it; NULL where one is outside. */
static char *place(const chip *tpu, const tensor *t, size_t bytes)
{
    if (!t->is_local) {
        const uint64_t at = t->start + t->n * t->by_n + t->c * t->by_c + t->h * t->by_h + t->w * t->element;
        return at <= tpu->global_size && bytes <= tpu->global_size - at ? tpu->global + at : NULL;
    }
    /* Channels are distributed to the lanes, beginning with the one that the address is in. */
    const uint64_t lane = (t->start >> tpu->size_shift) + t->c;
    const uint32_t at = (uint32_t)((t->start & tpu->size_mask) + t->n * t->by_n + (lane >> tpu->lane_shift) * t->by_c +
                                   t->h * t->by_h + t->w * t->element);
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

/* Rounds eight BF16 numbers to INT8: to the nearest, from the middle to the even one, or toward zero. Larger
 * numbers, and those that are not numbers, become the smallest or the largest INT8 number, by their sign. */
__attribute__((target("avx2"))) static void eight_to_int8(const copy *what, const char *from, char *to)
{
    const __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from)), 16);
    const __m256i sign = _mm256_and_si256(wide, _mm256_set1_epi32(INT32_MIN));
    /* Infinite, where it is not a number. */
    const __m256i size = _mm256_min_epu32(_mm256_xor_si256(wide, sign), _mm256_set1_epi32(0x7f800000));
    __m256 real = _mm256_castsi256_ps(_mm256_or_si256(size, sign));
    real = _mm256_max_ps(real, _mm256_set1_ps(what->is_signed ? -128 : 0));
    real = _mm256_min_ps(real, _mm256_set1_ps(what->is_signed ? 127 : 255));
    real = what->truncates ? _mm256_round_ps(real, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
                           : _mm256_round_ps(real, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256i whole = _mm256_and_si256(_mm256_cvttps_epi32(real), _mm256_set1_epi32(0xff));
    const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(half, half));
}

/* Converts eight INT8 numbers to BF16, which has them all. */
__attribute__((target("avx2"))) static void eight_to_bf16(const copy *what, const char *from, char *to)
{
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)from);
    const __m256i whole = what->is_signed ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
    const __m256i bits = _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(whole)), 16);
    _mm_storeu_si128((__m128i *)to, _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1)));
}

/* Copies a run of elements, one after another where the two overlap. */
__attribute__((target("avx2"))) static void copy_run(const copy *what, const char *from, char *to, size_t run)
{
    const size_t size_from = what->from.element, size_to = what->to.element;
    const int apart = from + run * size_from <= to || to + run * size_to <= from;
    if (size_from == size_to && apart) {
        memcpy(to, from, run * size_to);
        return;
    }
    size_t at = 0;
    for (; apart && at + 8 <= run; at += 8)
        if (size_to == 1)
            eight_to_int8(what, from + at * 2, to + at);
        else
            eight_to_bf16(what, from + at, to + at * 2);
    for (; at < run; at++) {
        char one[16] = {0}, converted[16];
        memcpy(one, from + at * size_from, size_from);
        if (size_from == size_to)
            memcpy(converted, one, size_to);
        else if (size_to == 1)
            eight_to_int8(what, one, converted);
        else
            eight_to_bf16(what, one, converted);
        memcpy(to + at * size_to, converted, size_to);
    }
}

/* Copies elements in their order, without the first `done`; returns 0 where one is outside of its memory.
 *
 * With `range`, copies nothing, and sets the first address that would be written and the one after the last. */
static int copied(const chip *tpu, const copy *what, uint32_t done, char *range[2])
{
    tensor from = what->from, to = what->to;
    uint64_t elements = what->elements - done;
    if (done)
        step(&from, done), step(&to, done);
    while (elements) {
        const uint32_t run = from.size_w - from.w < to.size_w - to.w ? from.size_w - from.w : to.size_w - to.w;
        const char *source = place(tpu, &from, (size_t)run * from.element);
        char *target = place(tpu, &to, (size_t)run * to.element);
        if (!source || !target)
            return 0;
        if (range) {
            char *end = target + (size_t)run * to.element;
            range[0] = target < range[0] ? target : range[0];
            range[1] = end > range[1] ? end : range[1];
        } else
            copy_run(what, source, target, run);
        step(&from, run), step(&to, run);
        elements -= run;
    }
    return 1;
}

/* Makes one long row of rows that lie one after another. */
static void join_rows(tensor *t)
{
    if (t->by_h == t->size_w * t->element) {
        t->size_w *= t->size_h;
        t->size_h = 1;
    }
}

/* Reads a command; returns 0 for those that do more than to copy, or to convert inside of the local memory. */
static int is_copy(const chip *tpu, const uint32_t *p, copy *found)
{
    const uint32_t direction = p[FLAGS] >> 6 & 3, to_format = p[FORMATS] >> 3 & 3, from_format = p[FORMATS] >> 5 & 3;
    const int is_compressed = p[FLAGS] >> 1 & 1, is_general = p[FLAGS] >> 10 & 1, is_matrix = p[FORMATS] >> 8 & 1;
    if (direction == GLOBAL_TO_GLOBAL || is_compressed || is_general || is_matrix || (p[FORMATS] & 7) != 0 ||
        (to_format != INT8 && to_format != BF16) || (from_format != INT8 && from_format != BF16) ||
        (direction == LOCAL_TO_LOCAL ? p[BASES] & EXPONENTS : to_format != from_format))
        return 0;
    tensor from = {
        .is_local = direction != LOAD, .start = p[SRC_AT], .by_n = p[SRC_N], .by_h = p[SRC_C_H] & 0xffff,
        .by_c = p[SRC_C_H] >> 16 | p[HIGH_STRIDES] << 16, .element = from_format == BF16 ? 2 : 1,
        .size_c = p[CHANNELS_OF] >> 16, .size_w = p[SRC_W_H] & 0xffff, .size_h = p[SRC_W_H] >> 16,
    };
    tensor to = {
        .is_local = direction != STORE, .start = p[DST_AT], .by_n = p[DST_N], .by_h = p[DST_C_H] & 0xffff,
        .by_c = p[DST_C_H] >> 16 | (p[HIGH_STRIDES] & 0xffff0000), .element = to_format == BF16 ? 2 : 1,
        .size_c = p[CHANNELS_OF] & 0xffff, .size_w = p[DST_W_H] & 0xffff, .size_h = p[DST_W_H] >> 16,
    };
    /* An address of the camera's memory is relative to one of eight base registers. */
    if (!from.is_local)
        from.start += ((uint64_t)(p[REST] >> 24) << 32) + tpu->bases[p[BASES] >> 16 & 7] - tpu->global_start;
    if (!to.is_local)
        to.start += ((uint64_t)(p[REST] >> 16 & 0xff) << 32) + tpu->bases[p[BASES] >> 20 & 7] - tpu->global_start;
    const uint64_t n = p[REST] & 0xffff, elements = n * from.size_c * from.size_h * from.size_w;
    if (!elements || elements != n * to.size_c * to.size_h * to.size_w)
        return 0;
    join_rows(&from), join_rows(&to);
    *found = (copy){from, to, elements, p[FORMATS] >> 13 & 1, p[FORMATS] >> 15 & 1};
    return 1;
}
