/* Does the arithmetic of the toolchain's interpreter for numbers one by one, with the same bits and faster.
 *
 * pymlir.so, a library of the tpu_mlir wheel, computes lowered networks layer by layer: in the search for layers
 * in float, and in the checks of a cvimodel. For each number it calls functions that round, shift, saturate or
 * multiply, and these call others: two thirds of the time. This library is preloaded (LD_PRELOAD), and puts its
 * own functions in the place of these. They compute the usual cases; for all others they call pymlir's own.
 *
 * All offsets were read from the machine code of one pymlir.so, the one of tpu_mlir 1.7. Nothing is replaced
 * unless the code of these functions has the expected digest. docs/simulator.md says how this was shown to be exact.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* The parts of the library that this file was written from: code, and the tables of its jumps. */
static const struct {
    uint32_t start, end;
} PARTS[] = {
    {0xac9058, 0xac90f0},   {0xac9140, 0xac9158},   {0x1847740, 0x1847900}, {0x1847910, 0x1847ab0},
    {0x1847db0, 0x18480b0}, {0x186b7e0, 0x186b900}, {0x1873570, 0x1873660}, {0x18737b0, 0x1873870},
    {0x1874640, 0x1874710}, {0x18748a0, 0x1874a40}, {0x1874bb0, 0x1874d20}, {0x1883cd0, 0x1883ce2},
};
static const char EXPECTED[] = "a838710b008037e4081638bf1a45a61a6b3f6cbfbeca2a06eeab5786b08b5234";
/* The offsets of the processor's number, of a pointer to the id of integer types, and of our functions' own. */
enum { PROCESSOR = 0x1b1fe70, INTEGER_TYPE = 0x1aec9f8 };

typedef struct {
    void **kind;
    uint32_t width : 30, sign : 2;
} integer_type;
enum { ID_OF_KIND = 0x88 / 8, UNSIGNED = 2 };
enum { AWAY, UP, DOWN, EVEN, DOWN_ALWAYS_NEGATIVE = 6, UP_ALWAYS = 8, TRUNCATED };

typedef int64_t scale_function(int64_t, int64_t, int64_t, uint32_t, uint32_t);
typedef int64_t shift_function(int64_t, int32_t, uint32_t);
typedef int64_t whole_function(int64_t, uint32_t);
typedef int64_t rounded_function(float, uint32_t);
typedef int64_t fit_whole_function(int64_t, const integer_type *, uint32_t);
typedef int64_t fit_function(float, const integer_type *, uint32_t);
typedef uint16_t bf16_function(float, uint8_t);
typedef float as_bf16_function(float, uint8_t);
typedef void all_bf16_function(const float *, float *, int32_t, uint8_t);
typedef float both_function(float, float);

static char *base;
static void *integer_id;
static int comparing;
static unsigned long compared;

#define THEIRS(kind, offset) ((kind *)(base + (offset)))

static uint32_t bits(float value)
{
    uint32_t found;
    memcpy(&found, &value, sizeof found);
    return found;
}

static float number(uint32_t value)
{
    float found;
    memcpy(&found, &value, sizeof found);
    return found;
}

static uint32_t exponent(float value)
{
    return bits(value) >> 23 & 0xff;
}

/* The CV18xx are numbered from 2000 to 2003. */
static int is_cv18xx(void)
{
    return (*(uint32_t *)(base + PROCESSOR) & ~3u) == 2000;
}

/* ---- Integers --------------------------------------------------------------------------------------------*/

/* RightShiftRound<long> */
static inline int64_t shifted(int64_t value, int32_t by, uint32_t mode)
{
    if (by == 0)
        return value;
    if (by < 0)
        return THEIRS(shift_function, 0x18737b0)(value, by, mode);
    if (by > 63)
        by = 63;
    const int64_t floor = value >> by, half = (int64_t)((uint64_t)1 << (by - 1));
    const int64_t rest = (int64_t)((uint64_t)value & ~(UINT64_MAX << by));
    switch (mode) {
    case AWAY:
        return floor + (value < 0 ? rest > half : rest >= half);
    case UP:
        return floor + (rest >= half);
    case DOWN:
        return floor + (rest > half);
    case EVEN:
        return floor + (rest == half ? floor & 1 : rest > half);
    default:
        return THEIRS(shift_function, 0x18737b0)(value, by, mode);
    }
}

static int64_t shift(int64_t value, int32_t by, uint32_t mode)
{
    return shifted(value, by, mode);
}

/* to_int<float>. Below 2^23, adding the number before 0.5 and cutting off rounds as roundf does. */
static inline int64_t rounded(float value, uint32_t mode)
{
    if (LIKELY(fabsf(value) < 8388608.0f)) {
        if (LIKELY(mode == AWAY))
            return (int64_t)(value + copysignf(0x1.fffffep-2f, value));
        if (mode == EVEN)
            return __builtin_ia32_cvtss2si64((__attribute__((vector_size(16))) float){value});
        if (mode == TRUNCATED)
            return (int64_t)value;
    }
    return THEIRS(rounded_function, 0x1873570)(value, mode);
}

static int64_t rounded_float(float value, uint32_t mode)
{
    return rounded(value, mode);
}

/* to_int<long>. Whole numbers that a float holds exactly stay as they are. */
static inline int64_t whole(int64_t value, uint32_t mode)
{
    if (LIKELY(value >= -(1 << 24) && value <= 1 << 24 && (mode <= EVEN || mode == TRUNCATED)))
        return value;
    return THEIRS(whole_function, 0x1874640)(value, mode);
}

static int64_t whole_long(int64_t value, uint32_t mode)
{
    return whole(value, mode);
}

/* Tells whether a type is one whose bounds a float holds exactly, and finds them. */
static inline int bounds(const integer_type *type, int64_t *least, int64_t *most)
{
    if (!type || !type->kind || type->kind[ID_OF_KIND] != integer_id || type->width < 1 || type->width > 16)
        return 0;
    const int is_signed = type->sign != UNSIGNED;
    *most = ((int64_t)1 << (type->width - is_signed)) - 1;
    *least = is_signed ? -*most - 1 : 0;
    return 1;
}

static inline int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* saturate<long> */
static int64_t fit_whole(int64_t value, const integer_type *type, uint32_t mode)
{
    int64_t least, most;
    if (LIKELY(bounds(type, &least, &most)))
        return within(whole(value, mode), least, most);
    return THEIRS(fit_whole_function, 0x1874bb0)(value, type, mode);
}

/* saturate<float>. The rounded number is below 2^24, so that it stays itself as a float. */
static int64_t fit(float value, const integer_type *type, uint32_t mode)
{
    int64_t least, most;
    if (LIKELY(fabsf(value) < 8388608.0f && bounds(type, &least, &most)))
        return within(rounded(value, mode), least, most);
    return THEIRS(fit_function, 0x18748a0)(value, type, mode);
}

/* applyMultiplierAndRShift */
static int64_t scale(int64_t value, int64_t factor, int64_t shift_by, uint32_t kind, uint32_t mode)
{
    if (kind == 0 || kind == 1 || kind == 4) {
        const int32_t by = (int32_t)(is_cv18xx() ? -shift_by : shift_by);
        const uint32_t left = by > 0 ? (uint32_t)by & 31 : 0;
        const int64_t product = (int64_t)(int32_t)((uint32_t)value << left) * (int32_t)factor;
        int64_t scaled = (product >> 31) + (product >> 30 & 1);
        if (scaled > INT32_MAX)
            scaled = INT32_MAX;
        /* The usual roundings, without a jump that depends on the number. */
        if (LIKELY(by < 0 && by > -32 && mode <= UP))
            return (int32_t)((scaled + ((int64_t)1 << (-by - 1)) + (mode == AWAY ? scaled >> 63 : 0)) >> -by);
        return (int32_t)(by < 0 ? shifted(scaled, (int32_t)(0u - (uint32_t)by), mode) : scaled);
    }
    if (kind == 2 && is_cv18xx())
        return rounded((float)factor * (float)value / (float)(int32_t)(1u << (shift_by & 31)), mode);
    if (kind == 2)
        return shifted((int64_t)((uint64_t)value * (uint64_t)factor), (int32_t)shift_by, mode);
    if (kind == 3)
        return shifted(value, (int32_t)shift_by, mode);
    return THEIRS(scale_function, 0x186b7e0)(value, factor, shift_by, kind, mode);
}

/* ---- BF16 ------------------------------------------------------------------------------------------------*/

/* The bits of the nearest BF16; the largest finite one in the place of infinity and NaN. */
static inline uint32_t nearest(uint32_t value)
{
    const uint32_t sum = value + (value >> 16 & 1) + 0x7fff;
    return (~sum & 0x7f800000) ? sum >> 16 : 0x7f7f;
}

/* f32_to_bf16 */
static uint16_t to_bf16(float value, uint8_t rounds)
{
    if (LIKELY(is_cv18xx()))
        return (uint16_t)(rounds ? nearest(bits(value)) : bits(value) >> 16);
    return THEIRS(bf16_function, 0x1847740)(value, rounds);
}

/* BF16 of a number */
static float as_bf16(float value, uint8_t rounds)
{
    return number((uint32_t)to_bf16(value, rounds) << 16);
}

/* BF16 of many numbers. The two arrays can be one. */
static void all_bf16(const float *from, float *to, int32_t count, uint8_t rounds)
{
    if (!is_cv18xx()) {
        THEIRS(all_bf16_function, 0x1847910)(from, to, count, rounds);
        return;
    }
    if (rounds)
        for (int32_t i = 0; i < count; i++)
            to[i] = number(nearest(bits(from[i])) << 16);
    else
        for (int32_t i = 0; i < count; i++)
            to[i] = number(bits(from[i]) & 0xffff0000);
}

/* A result without the numbers that are too small for an exponent, as BF16. */
static inline float finished(float value)
{
    return exponent(value) ? number(nearest(bits(value)) << 16) : 0.0f;
}

static inline float flushed(float value)
{
    return exponent(value) ? value : 0.0f;
}

/* bf16_add. Near infinity it has cases of its own. */
static float add(float a, float b)
{
    if (LIKELY(is_cv18xx() && exponent(a) < 254 && exponent(b) < 254)) {
        const float sum = flushed(a) + flushed(b);
        if (LIKELY(exponent(sum) < 254))
            return finished(sum);
    }
    return THEIRS(both_function, 0x1847db0)(a, b);
}

/* bf16_mul */
static float multiply(float a, float b)
{
    if (LIKELY(is_cv18xx() && exponent(a) < 254 && exponent(b) < 254)) {
        const float product = flushed(a) * flushed(b);
        if (LIKELY(exponent(product) < 254))
            return finished(product);
    }
    return THEIRS(both_function, 0x1847f00)(a, b);
}

/* ---- Comparing -------------------------------------------------------------------------------------------*/

static void unequal(const char *what)
{
    fprintf(stderr, "cvimake: %s differs from the interpreter's own\n", what);
    abort();
}

static uint32_t as_bits(float value)
{
    return bits(value);
}

static uint64_t as_whole(int64_t value)
{
    return (uint64_t)value;
}

/* Defines a function that computes with ours and with theirs, and ends the process if one bit differs. */
#define COMPARED(type, ours, offset, same, given, taken)                                                               \
    static type compared_##ours given                                                                                  \
    {                                                                                                                  \
        type(*theirs) given = (type(*) given)(base + (offset));                                                        \
        const type found = ours taken;                                                                                 \
        if (same(found) != same(theirs taken))                                                                         \
            unequal(#ours);                                                                                            \
        __atomic_fetch_add(&compared, 1, __ATOMIC_RELAXED);                                                            \
        return found;                                                                                                  \
    }
COMPARED(int64_t, scale, 0x186b7e0, as_whole, (int64_t a, int64_t b, int64_t c, uint32_t d, uint32_t e),
         (a, b, c, d, e))
COMPARED(int64_t, shift, 0x18737b0, as_whole, (int64_t a, int32_t b, uint32_t c), (a, b, c))
COMPARED(int64_t, whole_long, 0x1874640, as_whole, (int64_t a, uint32_t b), (a, b))
COMPARED(int64_t, rounded_float, 0x1873570, as_whole, (float a, uint32_t b), (a, b))
COMPARED(int64_t, fit_whole, 0x1874bb0, as_whole, (int64_t a, const integer_type *b, uint32_t c), (a, b, c))
COMPARED(int64_t, fit, 0x18748a0, as_whole, (float a, const integer_type *b, uint32_t c), (a, b, c))
COMPARED(uint16_t, to_bf16, 0x1847740, as_whole, (float a, uint8_t b), (a, b))
COMPARED(float, as_bf16, 0x1847a90, as_bits, (float a, uint8_t b), (a, b))
COMPARED(float, add, 0x1847db0, as_bits, (float a, float b), (a, b))
COMPARED(float, multiply, 0x1847f00, as_bits, (float a, float b), (a, b))

static void compared_all_bf16(const float *from, float *to, int32_t count, uint8_t rounds)
{
    const size_t size = sizeof *to * (size_t)(count > 0 ? count : 0);
    float *ours = malloc(size + 1);
    if (!ours)
        abort();
    all_bf16(from, ours, count, rounds);
    THEIRS(all_bf16_function, 0x1847910)(from, to, count, rounds);
    if (memcmp(ours, to, size))
        unequal("all_bf16");
    __atomic_fetch_add(&compared, 1, __ATOMIC_RELAXED);
    free(ours);
}

/* ---- Taking the place ------------------------------------------------------------------------------------*/

/* The offsets of the slots through which the library calls its functions, and what we put into them. */
static const struct {
    uint32_t slot;
    void *ours, *compared;
} FUNCTIONS[] = {
    {0x1b0ca68, (void *)scale, (void *)compared_scale},
    {0x1b0cd08, (void *)shift, (void *)compared_shift},
    {0x1b0ccd8, (void *)whole_long, (void *)compared_whole_long},
    {0x1b0c928, (void *)rounded_float, (void *)compared_rounded_float},
    {0x1b0cc28, (void *)fit_whole, (void *)compared_fit_whole},
    {0x1b0ca70, (void *)fit, (void *)compared_fit},
    {0x1b0d320, (void *)to_bf16, (void *)compared_to_bf16},
    {0x1b0cb38, (void *)as_bf16, (void *)compared_as_bf16},
    {0x1b0c960, (void *)all_bf16, (void *)compared_all_bf16},
    {0x1b0d0e0, (void *)add, (void *)compared_add},
    {0x1b0cb40, (void *)multiply, (void *)compared_multiply},
};
enum { COUNT = sizeof FUNCTIONS / sizeof *FUNCTIONS, PART_COUNT = sizeof PARTS / sizeof *PARTS };

static int is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

/* Tells whether the functions are those that the offsets were read from. */
static int is_expected(const char *library)
{
    char all[8192], found[65];
    size_t size = 0;
    for (int i = 0; i < PART_COUNT; i++) {
        memcpy(all + size, library + PARTS[i].start, PARTS[i].end - PARTS[i].start);
        size += PARTS[i].end - PARTS[i].start;
    }
    sha256(all, size, found);
    return strcmp(found, EXPECTED) == 0;
}

static void take_place(char *library)
{
    comparing = is_set("CVIMAKE_SIMULATOR_COMPARE");
    base = library;
    integer_id = *(void **)(base + INTEGER_TYPE);
    for (int i = 0; i < COUNT; i++)
        *(void **)(base + FUNCTIONS[i].slot) = comparing ? FUNCTIONS[i].compared : FUNCTIONS[i].ours;
}

/* pymlir calls this by its name before it computes a network, and finds ours first. */
#define TRIGGER _ZN8tpu_mlir17ModuleInterpreter18allocate_resourcesEv
#define TEXT_OF(name) #name
#define NAME_OF(name) TEXT_OF(name)
__attribute__((visibility("default"))) void TRIGGER(void *interpreter)
{
    static const uint32_t offset = 0x188c7c0;
    void (*found)(void *);
    Dl_info info;
    void *library;
    /* The library is not in the global scope, so RTLD_NEXT would not find it. */
    if (!dladdr(__builtin_return_address(0), &info) || !(library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD)) ||
        !(found = (void (*)(void *))dlsym(library, NAME_OF(TRIGGER)))) {
        fprintf(stderr, "cvimake: the interpreter's allocate_resources was not found\n");
        abort();
    }
    char *address = info.dli_fbase;
    /* A library with this function at this place is long enough for all that is read here. */
    if (!base && (char *)found == address + offset && !is_set("CVIMAKE_SIMULATOR_OFF") && is_expected(address))
        take_place(address);
    dlclose(library);
    found(interpreter);
}

__attribute__((destructor)) static void report(void)
{
    if (comparing)
        fprintf(stderr, "cvimake: %lu results equal the interpreter's own\n", compared);
}
