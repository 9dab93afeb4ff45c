/* The sums of a convolution, with the same bits as those of the simulator's threads, many products at once.
 *
 * simulator.c says when this is called, and where the offsets come from.
 */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Words of a command's registers (tiu_reg_t), as the lanes' functions read them. An "insert" is the number of
 * values that are put between two rows or columns of the input, "end" the same after the last one. */
enum {
    SIGNED_INPUT = 0x4c / 4, SIGNED_WEIGHTS = 0x50 / 4,
    INSERT_X = 0x8c / 4, INSERT_Y = 0x90 / 4, END_X = 0x94 / 4, END_Y = 0x98 / 4,
    DILATION_X = 0x9c / 4, DILATION_Y = 0xa0 / 4, FILL = 0xa8 / 4,
    PAD_TOP = 0xac / 4, PAD_BOTTOM = 0xb0 / 4, PAD_LEFT = 0xb4 / 4, PAD_RIGHT = 0xb8 / 4,
    OUT_C = 0xc0 / 4, OUT_H = 0xc4 / 4, OUT_W = 0xc8 / 4, STRIDE_X = 0xcc / 4, STRIDE_Y = 0xd0 / 4,
    IN_N = 0x110 / 4, IN_C = 0x114 / 4, IN_H = 0x120 / 4, IN_W = 0x124 / 4,
    KERNEL_H = 0x130 / 4, KERNEL_W = 0x134 / 4
};

/* The state of a std::thread that would run one lane: its vtable, and the arguments in reverse order. The lane
 * computes the output channels lane, lane + lanes, lane + 2 lanes ... */
typedef struct state {
    struct { void (*destroy)(struct state *), (*delete)(struct state *), (*run)(struct state *); } *table;
    void *sums;          /* int32 or float, [n][out_c][out_h][out_w]; the products are added to what is there */
    const void *weights; /* int8 or bf16, [in_c][out_c][kernel_h][kernel_w] */
    const void *input;   /* int8 or bf16, [n][in_c][in_h][in_w] */
    const uint32_t *reg;
    uint32_t lane, lanes;
    void *function;
} state;

/* A number of the arithmetic: two 16-bit integers of neighbouring channels, or a float. */
typedef union { int32_t pair; int16_t of[2]; float real; } number;

/* Pixels that are computed at once, in three AVX2 registers, and output channels. */
enum { PIXELS = 24, CHANNELS = 4 };
/* More memory than the TPU's own 256 KiB can ever ask for; a larger convolution is left to the simulator. */
enum { MOST_NUMBERS = 1 << 24 };

/* The input is laid out so that all reads of one kernel element are consecutive: rows and columns that differ
 * by the stride lie side by side. A whole output channel is then one long row of numbers, sums[i], to which
 * input[offset + i] * weight is added for each step, that is for each kernel element and channel. Between
 * two rows of the output there are a few numbers that nobody reads. */

__attribute__((target("avx2"), noinline)) static void
add_int8(const number *input, const uint32_t *offsets, const number *weights, size_t steps, number *sums[])
{
    __m256i sum[CHANNELS][3];
    for (int c = 0; c < CHANNELS; c++)
        for (int p = 0; p < 3; p++)
            sum[c][p] = _mm256_loadu_si256((const __m256i *)sums[c] + p);
    for (size_t s = 0; s < steps; s++, weights += CHANNELS) {
        const __m256i *at = (const __m256i *)(input + offsets[s]);
        __m256i in[3] = {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1), _mm256_loadu_si256(at + 2)};
        for (int c = 0; c < CHANNELS; c++)
            for (int p = 0; p < 3; p++)
                /* Products of two 8-bit numbers and their sum fit; sums wrap as the simulator's do. */
                sum[c][p] = _mm256_add_epi32(
                    sum[c][p], _mm256_madd_epi16(in[p], _mm256_set1_epi32(weights[c].pair)));
    }
    for (int c = 0; c < CHANNELS; c++)
        for (int p = 0; p < 3; p++)
            _mm256_storeu_si256((__m256i *)sums[c] + p, sum[c][p]);
}

/* The order of the steps is the simulator's: kernel row, kernel column, input channel. Each product and each
 * sum is rounded toward zero, and becomes +0 where it is denormal. The processor does this too, in the mode
 * that `add_block_of_channels` sets, but keeps the sign of such a zero. A zero's sign cannot change a later
 * sum, and adding +0 at the end removes it. */
__attribute__((target("avx2"), noinline)) static void
add_bf16(const number *input, const uint32_t *offsets, const number *weights, size_t steps, number *sums[])
{
    __m256 sum[CHANNELS][3];
    for (int c = 0; c < CHANNELS; c++)
        for (int p = 0; p < 3; p++)
            sum[c][p] = _mm256_loadu_ps(&sums[c]->real + 8 * p);
    for (size_t s = 0; s < steps; s++, weights += CHANNELS) {
        const float *at = &input[offsets[s]].real;
        __m256 in[3] = {_mm256_loadu_ps(at), _mm256_loadu_ps(at + 8), _mm256_loadu_ps(at + 16)};
        for (int c = 0; c < CHANNELS; c++)
            for (int p = 0; p < 3; p++)
                sum[c][p] = _mm256_add_ps(sum[c][p], _mm256_mul_ps(in[p], _mm256_set1_ps(weights[c].real)));
    }
    for (int c = 0; c < CHANNELS; c++)
        for (int p = 0; p < 3; p++)
            _mm256_storeu_ps(&sums[c]->real + 8 * p, _mm256_add_ps(sum[c][p], _mm256_setzero_ps()));
}

static float of_bf16(uint16_t bits)
{
    const number wide = {.pair = (int32_t)((uint32_t)bits << 16)};
    return wide.real;
}

static int32_t of_int8(const uint8_t *byte, int is_signed) { return is_signed ? (int8_t)*byte : *byte; }

static uint32_t magnitude(const void *real)
{
    uint32_t bits;
    memcpy(&bits, real, sizeof bits);
    return bits & 0x7fffffff;
}

/* Returns the largest magnitude among values; infinity if one of them is infinite or not a number. */
__attribute__((target("avx2"))) static double most_of_bf16(const uint16_t *values, size_t count)
{
    uint16_t most = 0;
    for (size_t i = 0; i < count; i++) {
        const uint16_t size = values[i] & 0x7fff;
        most = size > most ? size : most;
    }
    return of_bf16(most < 0x7f80 ? most : 0x7f80);
}

/* Tells whether no product and no sum of a BF16 convolution comes near an overflow, which the simulator treats
 * in its own way, and no sum begins as a denormal, which it does not flush. */
static int is_tame(const state *lane, size_t inputs, size_t weights, size_t sums, double steps)
{
    double input = most_of_bf16(lane->input, inputs), first = 0;
    const double weight = most_of_bf16(lane->weights, weights);
    input = input > lane->reg[FILL] ? input : lane->reg[FILL];
    for (size_t i = 0; i < sums; i++) {
        float sum = ((const float *)lane->sums)[i];
        if (magnitude(&sum) >= 0x7f800000 || (magnitude(&sum) && magnitude(&sum) < 0x00800000))
            return 0;
        first = fabsf(sum) > first ? fabsf(sum) : first;
    }
    /* Not true either if an infinite number is multiplied with zero. */
    return first + input * weight * steps < 0x1p120;
}

/* Returns memory for so many numbers, or NULL. A later call of the thread takes it back. */
static number *reserve(size_t numbers)
{
    static __thread number *memory;
    static __thread size_t size;
    if (numbers > size) {
        free(memory);
        memory = malloc(numbers * sizeof *memory);
        size = memory ? numbers : 0;
    }
    return memory;
}

/* A convolution, and the way in which its numbers are laid out. */
typedef struct {
    const uint32_t *reg;
    int is_bf16;
    size_t in_c, in_h, in_w, out_c, out_h, out_w, kernel_w, taps;
    size_t stride_y, stride_x;
    size_t pitch, rows;          /* of one phase: of the rows and columns that differ by the stride */
    size_t plane, planes, steps; /* numbers of a channel, or of two; channels, or pairs; additions for a pixel */
    size_t blocks, row;          /* of output channels; numbers of an output channel in one row */
} layout;

/* Sets the layout; returns 0 where the registers are not those of a convolution that fits the TPU. */
static int laid_out(const uint32_t *reg, int is_bf16, layout *l)
{
    *l = (layout){.reg = reg, .is_bf16 = is_bf16, .in_c = reg[IN_C], .in_h = reg[IN_H], .in_w = reg[IN_W],
                  .out_c = reg[OUT_C], .out_h = reg[OUT_H], .out_w = reg[OUT_W], .kernel_w = reg[KERNEL_W],
                  .taps = (size_t)reg[KERNEL_H] * reg[KERNEL_W], .stride_y = reg[STRIDE_Y], .stride_x = reg[STRIDE_X]};
    if (!reg[IN_N] || !l->in_c || !l->in_h || !l->in_w || !l->out_c || !l->out_h || !l->out_w || !l->taps ||
        !l->stride_y || !l->stride_x)
        return 0;
    /* The input with its paddings and inserts, and the kernel with its dilation. */
    const size_t high = (l->in_h - 1) * (reg[INSERT_Y] + 1) + 1 + reg[END_Y] + reg[PAD_TOP] + reg[PAD_BOTTOM];
    const size_t wide = (l->in_w - 1) * (reg[INSERT_X] + 1) + 1 + reg[END_X] + reg[PAD_LEFT] + reg[PAD_RIGHT];
    const size_t kernel_high = (size_t)(reg[KERNEL_H] - 1) * (reg[DILATION_Y] + 1) + 1;
    const size_t kernel_wide = (size_t)(reg[KERNEL_W] - 1) * (reg[DILATION_X] + 1) + 1;
    if (high < kernel_high || wide < kernel_wide || (high - kernel_high) / l->stride_y + 1 != l->out_h ||
        (wide - kernel_wide) / l->stride_x + 1 != l->out_w)
        return 0;
    l->pitch = (wide + l->stride_x - 1) / l->stride_x;
    l->rows = (high + l->stride_y - 1) / l->stride_y;
    l->plane = l->stride_y * l->stride_x * l->rows * l->pitch;
    l->planes = is_bf16 ? l->in_c : (l->in_c + 1) / 2;
    l->steps = l->planes * l->taps;
    l->blocks = (l->out_c + CHANNELS - 1) / CHANNELS;
    l->row = ((l->out_h - 1) * l->pitch + l->out_w + PIXELS - 1) / PIXELS * PIXELS;
    return l->planes * l->plane <= MOST_NUMBERS && l->blocks * l->steps * CHANNELS <= MOST_NUMBERS &&
           l->row <= MOST_NUMBERS;
}

/* Return the place of a row, and of a column in it, of the padded input. */
static size_t row_at(const layout *l, size_t y)
{
    return (y % l->stride_y * l->stride_x * l->rows + y / l->stride_y) * l->pitch;
}

static size_t column_at(const layout *l, size_t x)
{
    return x % l->stride_x * l->rows * l->pitch + x / l->stride_x;
}

/* Places the weights in the order of the steps, those of a block of output channels side by side. */
static void place_weights(const layout *l, const void *from, number *to)
{
    memset(to, 0, l->blocks * l->steps * CHANNELS * sizeof *to);
    for (size_t c = 0; c < l->in_c; c++)
        for (size_t o = 0; o < l->out_c; o++)
            for (size_t tap = 0; tap < l->taps; tap++) {
                const size_t at = (c * l->out_c + o) * l->taps + tap;
                const size_t step = tap * l->planes + (l->is_bf16 ? c : c / 2);
                number *weight = to + (o / CHANNELS * l->steps + step) * CHANNELS + o % CHANNELS;
                if (l->is_bf16)
                    weight->real = of_bf16(((const uint16_t *)from)[at]);
                else
                    weight->of[c % 2] = of_int8((const uint8_t *)from + at, l->reg[SIGNED_WEIGHTS] != 0);
            }
}

/* Places one image with its paddings and inserts. */
static void place_input(const layout *l, const void *from, uint32_t *columns, number *to)
{
    const int is_signed = l->reg[SIGNED_INPUT] != 0;
    const uint8_t fill = l->reg[FILL];
    number empty;
    if (l->is_bf16)
        empty.real = (float)l->reg[FILL];
    else
        empty.pair = (uint16_t)of_int8(&fill, is_signed) * 0x10001u;
    for (size_t i = 0; i < l->planes * l->plane + PIXELS; i++)
        to[i] = empty;
    for (size_t x = 0; x < l->in_w; x++)
        columns[x] = column_at(l, l->reg[PAD_LEFT] + x * (l->reg[INSERT_X] + 1));
    for (size_t c = 0; c < l->in_c; c++)
        for (size_t y = 0; y < l->in_h; y++) {
            const size_t at = (c * l->in_h + y) * l->in_w;
            number *row = to + (l->is_bf16 ? c : c / 2) * l->plane +
                          row_at(l, l->reg[PAD_TOP] + y * (l->reg[INSERT_Y] + 1));
            if (l->is_bf16)
                for (size_t x = 0; x < l->in_w; x++)
                    row[columns[x]].real = of_bf16(((const uint16_t *)from)[at + x]);
            else
                for (size_t x = 0; x < l->in_w; x++)
                    row[columns[x]].of[c % 2] = of_int8((const uint8_t *)from + at + x, is_signed);
        }
}

/* Adds all products to one block of output channels; `rows` is room for their sums. */
static void add_block_of_channels(const layout *l, const number *input, const uint32_t *offsets, const number *weights,
                                  number *rows, number *out, size_t channels)
{
    const size_t area = l->out_h * l->out_w;
    const unsigned mode = _mm_getcsr();
    number *sums[CHANNELS];
    memset(rows, 0, CHANNELS * l->row * sizeof *rows);
    for (size_t c = 0; c < channels; c++)
        for (size_t y = 0; y < l->out_h; y++)
            memcpy(rows + c * l->row + y * l->pitch, out + c * area + y * l->out_w, l->out_w * sizeof *out);
    /* Denormal results and operands are zero. */
    if (l->is_bf16)
        _mm_setcsr(mode | _MM_FLUSH_ZERO_ON | 0x40);
    for (size_t i = 0; i < l->row; i += PIXELS) {
        for (size_t c = 0; c < CHANNELS; c++)
            sums[c] = rows + c * l->row + i;
        (l->is_bf16 ? add_bf16 : add_int8)(input + i, offsets, weights, l->steps, sums);
    }
    _mm_setcsr(mode);
    for (size_t c = 0; c < channels; c++)
        for (size_t y = 0; y < l->out_h; y++)
            memcpy(out + c * area + y * l->out_w, rows + c * l->row + y * l->pitch, l->out_w * sizeof *out);
}

/* Computes the sums of all lanes; returns 0, without having changed them, where it leaves that to the lanes. */
static int computed(const state *lane, int is_bf16, void *sums)
{
    layout l;
    if (!laid_out(lane->reg, is_bf16, &l))
        return 0;
    const size_t images = lane->reg[IN_N], image = l.in_c * l.in_h * l.in_w, area = l.out_h * l.out_w;
    if (is_bf16 && ((_mm_getcsr() & _MM_ROUND_MASK) != _MM_ROUND_TOWARD_ZERO ||
                    !is_tame(lane, images * image, l.in_c * l.out_c * l.taps, images * l.out_c * area, l.steps)))
        return 0;
    /* One piece of memory: the input, after whose end the last pixels read on; weights; rows of sums; tables. */
    const size_t inputs = l.planes * l.plane + PIXELS, all_weights = l.blocks * l.steps * CHANNELS;
    number *input = reserve(inputs + all_weights + CHANNELS * l.row + l.steps + l.in_w);
    if (!input)
        return 0;
    number *weights = input + inputs, *rows = weights + all_weights;
    uint32_t *offsets = (uint32_t *)(rows + CHANNELS * l.row), *columns = offsets + l.steps;
    for (size_t tap = 0; tap < l.taps; tap++)
        for (size_t p = 0; p < l.planes; p++)
            offsets[tap * l.planes + p] = p * l.plane + row_at(&l, tap / l.kernel_w * (lane->reg[DILATION_Y] + 1)) +
                                          column_at(&l, tap % l.kernel_w * (lane->reg[DILATION_X] + 1));
    place_weights(&l, lane->weights, weights);
    for (size_t n = 0; n < images; n++) {
        place_input(&l, (const char *)lane->input + n * image * (is_bf16 ? 2 : 1), columns, input);
        for (size_t o = 0; o < l.out_c; o += CHANNELS)
            add_block_of_channels(&l, input, offsets, weights + o * l.steps, rows,
                                  (number *)sums + (n * l.out_c + o) * area,
                                  l.out_c - o < CHANNELS ? l.out_c - o : CHANNELS);
    }
    return 1;
}
