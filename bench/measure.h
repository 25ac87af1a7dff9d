// Clocks, the measured process's use of CPU and memory, and latencies.
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static inline uint64_t after(double seconds) { return now() + (uint64_t)(seconds * 1e9); }

static inline double process_cpu(int pid, bool kernel) {
    char path[64], text[2048];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = pid ? fopen(path, "r") : NULL;
    if (!file) return 0;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    char *rest = strrchr(text, ')');
    if (rest) sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(kernel ? system : user) / (double)sysconf(_SC_CLK_TCK);
}

static inline long process_rss_kb(int pid) {
    char path[64], line[256];
    long value = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = pid ? fopen(path, "r") : NULL;
    if (!file) return 0;
    while (fgets(line, sizeof line, file) && sscanf(line, "VmRSS: %ld", &value) != 1) {}
    fclose(file);
    return value;
}

static inline double own_cpu(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

// Latencies: a log-linear histogram, 64 steps an octave from 1 us.
enum { BUCKETS = 4096 };
static uint64_t histogram[BUCKETS], counted;

static inline int bucket_of(uint64_t ns) {
    uint64_t us = ns / 1000;
    if (us < 64) return (int)us;
    int octave = 63 - __builtin_clzll(us);
    int bucket = (octave - 5) * 64 + (int)(us >> (octave - 6) & 63);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static inline void note_latency(uint64_t ns) {
    histogram[bucket_of(ns)]++;
    counted++;
}

static inline double percentile_ms(double share) {
    uint64_t seen = 0, wanted = (uint64_t)(share * (double)counted);
    int b = 0;
    while (b < BUCKETS - 1 && (seen += histogram[b]) <= wanted) b++;
    if (b < 64) return b / 1e3;
    int octave = b / 64 + 5;
    return (double)((1ull << octave) + ((uint64_t)(b % 64) << (octave - 6))) / 1e3;
}

#endif
