/* Does the slowest work of the toolchain's simulator, with the same bits and many times as fast.
 *
 * libcvicmodel.so, a library of the tpu_mlir wheel, simulates the TPU command by command. This library is
 * preloaded (LD_PRELOAD), and takes the place of two parts of it:
 *
 * - For a convolution, the simulator gathers the operands into plain arrays, starts a thread for each of the
 *   TPU's 8 lanes, and rounds and stores the sums that the threads have computed. The threads multiply one pair
 *   of numbers after another. We compute the sums of all lanes instead; everything before and after them stays
 *   the simulator's own.
 * - For a copy between memories, it computes the place of each byte anew.
 *
 * All offsets were read from the machine code of one libcvicmodel.so, the one of tpu_mlir 1.7. Nothing is
 * replaced unless the loaded library has the expected digest and the processor has AVX2. docs/simulator.md says
 * how this was shown to be exact.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"
#include "simulator-convolution.h"
#include "simulator-copy.h"

/* The sha256 of the first loadable segment: all code and constants, and the relocations that name the slots. */
static const char EXPECTED[] = "73ecd6f03a9425ac9ac23cbdca856623f1811be146abd00c43bf76945ffe4b08";
/* Offsets of the slots through which the library calls std::thread, and of the functions of the lanes. */
enum { SLOT_START = 0x3bf218, SLOT_JOIN = 0x3bf480 };
enum { LANE_INT8 = 0xe88d0, LANE_INT8_PER_CHANNEL = 0xf1a20, LANE_BF16 = 0xe9520 };
enum { MOST_LANES = 64 };
/* The id of a thread that was not started. */
static const pthread_t NOT_STARTED = 1;

static char *base;
static void (*real_start)(pthread_t *, state **, void (*)(void)), (*real_join)(pthread_t *);
static int comparing;
static unsigned long convolutions, copies, declined;
/* The lanes that wait to be computed. */
static __thread state *waiting[MOST_LANES];
static __thread unsigned waiting_lanes;

/* ---- In the place of the lanes' threads ------------------------------------------------------------------*/

/* Computes the sums as well as the lanes have, and ends the process if one bit differs. */
static void compare(const state *lane, void *sums, size_t size)
{
    void *ours = malloc(size);
    if (!ours)
        abort();
    memcpy(ours, sums, size);
    const int done = computed(lane, lane->function == base + LANE_BF16, ours);
    for (unsigned i = 0; i < waiting_lanes; i++)
        waiting[i]->table->run(waiting[i]);
    if (done && memcmp(ours, sums, size)) {
        fprintf(stderr, "cvimake: a convolution differs from the simulator's own\n");
        abort();
    }
    __atomic_fetch_add(done ? &convolutions : &declined, 1, __ATOMIC_RELAXED);
    free(ours);
}

/* Computes the lanes that wait: all at once, or one after another as the simulator's own code does. */
static void compute_waiting(void)
{
    const state *first = waiting[0];
    int all = waiting_lanes == first->lanes;
    for (unsigned i = 0; i < waiting_lanes; i++) {
        const state *lane = waiting[i];
        all &= lane->lane == i && lane->lanes == first->lanes && lane->function == first->function &&
               lane->reg == first->reg && lane->input == first->input && lane->weights == first->weights &&
               lane->sums == first->sums;
    }
    const uint32_t *reg = first->reg;
    if (all && comparing)
        compare(first, first->sums, (size_t)4 * reg[IN_N] * reg[OUT_C] * reg[OUT_H] * reg[OUT_W]);
    else if (all && computed(first, first->function == base + LANE_BF16, first->sums))
        __atomic_fetch_add(&convolutions, 1, __ATOMIC_RELAXED);
    else {
        for (unsigned i = 0; i < waiting_lanes; i++)
            waiting[i]->table->run(waiting[i]);
        __atomic_fetch_add(&declined, 1, __ATOMIC_RELAXED);
    }
    for (unsigned i = 0; i < waiting_lanes; i++)
        waiting[i]->table->delete(waiting[i]);
    waiting_lanes = 0;
}

/* Stands for std::thread::_M_start_thread. As that does, it takes the state from its unique_ptr. */
static void start(pthread_t *thread, state **given, void (*depend)(void))
{
    const char *function = (*given)->function;
    if (waiting_lanes == MOST_LANES || (function != base + LANE_INT8 && function != base + LANE_INT8_PER_CHANNEL &&
                                        function != base + LANE_BF16)) {
        real_start(thread, given, depend);
        return;
    }
    waiting[waiting_lanes++] = *given;
    *given = NULL;
    *thread = NOT_STARTED;
}

/* Stands for std::thread::join. The first lane that is waited for means that all have been started. */
static void join(pthread_t *thread)
{
    if (*thread != NOT_STARTED) {
        real_join(thread);
        return;
    }
    if (waiting_lanes)
        compute_waiting();
    *thread = 0;
}

/* ---- Copies ----------------------------------------------------------------------------------------------*/

typedef void command(void *tpu, void *words);

/* Copies, then restores what was there and lets the simulator copy; ends the process if one byte differs. */
static void compare_copy(chip *tpu, const uint32_t *words, const copy *what, char *begin, char *end, command *simulate)
{
    const size_t size = (size_t)(end - begin);
    char *before = malloc(size), *ours = malloc(size);
    if (!before || !ours)
        abort();
    memcpy(before, begin, size);
    copied(tpu, what, 0, NULL);
    memcpy(ours, begin, size);
    memcpy(begin, before, size);
    simulate(tpu, (void *)words);
    if (memcmp(ours, begin, size)) {
        fprintf(stderr, "cvimake: a copy differs from the simulator's own\n");
        abort();
    }
    __atomic_fetch_add(&copies, 1, __ATOMIC_RELAXED);
    free(before), free(ours);
}

static void run_copy(chip *tpu, const uint32_t *words, command *simulate)
{
    char *range[2] = {(char *)UINTPTR_MAX, NULL};
    copy what;
    /* Where an address is outside of its memory, the simulator ends the process, with its own message. */
    if (!base || !is_copy(tpu, words, &what) || !copied(tpu, &what, 0, range)) {
        simulate(tpu, (void *)words);
        return;
    }
    if (comparing) {
        compare_copy(tpu, words, &what, range[0], range[1], simulate);
        return;
    }
    uint32_t first[WORDS];
    memcpy(first, words, sizeof first);
    first[CHANNELS_OF] = first[DST_W_H] = first[SRC_W_H] = 0x00010001;
    first[REST] = (first[REST] & 0xffff0000) | 1;
    simulate(tpu, first);
    copied(tpu, &what, 1, NULL);
}

/* ---- Beginning and end -----------------------------------------------------------------------------------*/

static int is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

/* Tells whether the library is the one that the offsets were read from. */
static int is_expected(const char *library)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)library;
    const Elf64_Phdr *segment = (const Elf64_Phdr *)(library + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++, segment++)
        if (segment->p_type == PT_LOAD && segment->p_offset == 0) {
            char found[65];
            sha256(library, segment->p_filesz, found);
            return strcmp(found, EXPECTED) == 0;
        }
    return 0;
}

/* Puts our functions into the slots of the library that a function of it was called from. */
static void take_place(void *library, char *address)
{
    real_start =
        dlsym(library, "_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE");
    real_join = dlsym(library, "_ZNSt6thread4joinEv");
    if (!real_start || !real_join || is_set("CVIMAKE_SIMULATOR_OFF") || !__builtin_cpu_supports("avx2") ||
        !is_expected(address))
        return;
    base = address;
    comparing = is_set("CVIMAKE_SIMULATOR_COMPARE");
    *(void **)(base + SLOT_START) = (void *)start;
    *(void **)(base + SLOT_JOIN) = (void *)join;
}

/* Returns a function of the library that called us. */
static command *original(const char *name, void *caller)
{
    static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
    static void *seen;
    Dl_info info;
    void *library, *found;
    /* The library is not in the global scope, so RTLD_NEXT would not find it. */
    if (!dladdr(caller, &info) || !(library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD)) ||
        !(found = dlsym(library, name))) {
        fprintf(stderr, "cvimake: the simulator's %s was not found\n", name);
        abort();
    }
    pthread_mutex_lock(&turn);
    if (seen != info.dli_fbase) {
        seen = info.dli_fbase;
        take_place(library, info.dli_fbase);
    }
    pthread_mutex_unlock(&turn);
    return (command *)found;
}

/* The commands that we take part in. The simulator calls them by these names, and finds ours first. */
#define COMMAND(name, run)                                                                                             \
    __attribute__((visibility("default"))) void name(void *tpu, void *words)                                           \
    {                                                                                                                  \
        static command *found;                                                                                         \
        if (!found)                                                                                                    \
            found = original(#name, __builtin_return_address(0));                                                      \
        run;                                                                                                           \
    }
COMMAND(_ZN6cmodel4mars15tiu_convolutionEP6chip_tP9tiu_reg_t, found(tpu, words))
COMMAND(_ZN6cmodel4mars18tiu_convolution_qmEP6chip_tP9tiu_reg_t, found(tpu, words))
COMMAND(_ZN6cmodel4mars18call_tdma_functionEP6chip_tPv, run_copy(tpu, words, found))

__attribute__((destructor)) static void report(void)
{
    if (comparing)
        fprintf(stderr,
                "cvimake: %lu convolutions and %lu copies equal the simulator's own; "
                "%lu convolutions were left to it\n",
                convolutions, copies, declined);
}
