/* SHA-256 (FIPS 180-4) of bytes in memory. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t rotated(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }

/* Returns the first 32 bits of the fractional part of a root of a prime; the standard's constants are these. */
static uint32_t fraction(unsigned prime, int is_cube)
{
    /* The largest r with r^2 or r^3 at most prime * 2^64 or 2^96, of which the low 32 bits are wanted. */
    uint64_t root = 0;
    for (int bit = 35; bit >= 0; bit--) {
        const unsigned __int128 tried = root | (uint64_t)1 << bit;
        const unsigned __int128 limit = (unsigned __int128)prime << (is_cube ? 96 : 64);
        if (is_cube ? tried * tried * tried <= limit : tried * tried <= limit)
            root = (uint64_t)tried;
    }
    return (uint32_t)root;
}

static void add_block(uint32_t hash[8], const uint32_t constants[64], const unsigned char *block)
{
    uint32_t words[64];
    for (int i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        const uint32_t early = words[i - 15], late = words[i - 2];
        words[i] = words[i - 16] + (rotated(early, 7) ^ rotated(early, 18) ^ early >> 3) + words[i - 7] +
                   (rotated(late, 17) ^ rotated(late, 19) ^ late >> 10);
    }
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4], f = hash[5], g = hash[6], h = hash[7];
    for (int i = 0; i < 64; i++) {
        const uint32_t first = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g)) +
                               constants[i] + words[i];
        const uint32_t second = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    }
    hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
}

/* Writes the sha256 in hexadecimal. */
static void sha256(const char *bytes, size_t size, char text[65])
{
    uint32_t hash[8], constants[64];
    for (unsigned found = 0, number = 2; found < 64; number++) {
        unsigned divisor = 2;
        while (number % divisor)
            divisor++;
        if (divisor < number)
            continue;
        if (found < 8)
            hash[found] = fraction(number, 0);
        constants[found++] = fraction(number, 1);
    }
    size_t done = 0;
    for (; size - done >= 64; done += 64)
        add_block(hash, constants, (const unsigned char *)bytes + done);
    /* The rest, a bit, zeros, and the number of bits. */
    unsigned char rest[128] = {0};
    const size_t left = size - done, end = left < 56 ? 64 : 128;
    memcpy(rest, bytes + done, left);
    rest[left] = 0x80;
    for (int i = 0; i < 8; i++)
        rest[end - 1 - i] = (unsigned char)((uint64_t)size * 8 >> 8 * i);
    for (size_t i = 0; i < end; i += 64)
        add_block(hash, constants, rest + i);
    for (int i = 0; i < 8; i++)
        snprintf(text + 8 * i, 9, "%08x", hash[i]);
}
