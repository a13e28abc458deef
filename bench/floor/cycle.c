/*
 * The floor: the least that a swap-in and its reclaim can cost in C, with a sem_t in shared memory as the lock.
 *
 *   cycle pair  ITERATIONS
 *   cycle cycle PROCESSES shared|disjoint CYCLES ns|tsc
 *
 * pair   sem_trywait + sem_post on one free semaphore.
 * cycle  PROCESSES processes, each CYCLES times: swap in a random slot of 64 clusters of 512 slots, then reclaim it.
 *        Two sections under the cluster's lock, one folio lock each way, a payload of 64 bytes copied in and out, both
 *        latencies into a histogram. shared: all walk all clusters; disjoint: each walks its own share of them.
 *
 * A lock is a sem_t: sem_trywait, then 100 tries with a pause, then sem_wait. The clock is clock_gettime (ns) or the time
 * stamp counter (tsc, its cycles are converted once, at the end).
 *
 * Prints one JSON object. Wall time and CPU time are those of the measured loop, per process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	CLUSTERS = 64,
	SLOTS = 512,		/* of one cluster */
	PAYLOAD_BYTES = 64,
	FOLIOS = 1024,		/* of one process: a cycle holds one, the rest spreads them over cache lines */
	MAX_PROCESSES = 16,
	SPINS = 100,
	SUB_BITS = 7,
	BUCKETS = (33 + 2) << SUB_BITS,
};

#define HAS_CACHE 0x40

/* A slot's word: shadow (bit 0 set) or PFN + 1 << 1. */
#define SHADOW 1ull
#define PFN_WORD(pfn) (((uint64_t)(pfn) + 1) << 1)

struct cluster {
	sem_t lock;
	/* lock must be held: */
	uint32_t count;
	uint32_t cached;
	char pad[88];
};

struct folio {
	sem_t lock;
	/* lock must be held: */
	uint64_t swap;
	uint32_t flags;
	/* atomic: */
	int32_t refcount;
	char pad[16];
};

struct histogram {
	uint64_t total, sum, max, pad;
	uint64_t counts[BUCKETS];
};

struct process {
	uint64_t wall_ns, cpu_ns, lost;
	uint32_t ready, pad;
	struct histogram swap_in, reclaim;
	uint32_t free[FOLIOS];
	uint32_t nr_free;
};

struct segment {
	sem_t pair;
	char pad[32];
	uint32_t go;
	char pad2[60];
	struct cluster clusters[CLUSTERS];
	uint64_t table[CLUSTERS][SLOTS];
	uint8_t map[CLUSTERS][SLOTS];
	char device[CLUSTERS * SLOTS][PAYLOAD_BYTES];
	struct folio folios[MAX_PROCESSES * FOLIOS];
	char memory[MAX_PROCESSES * FOLIOS][PAYLOAD_BYTES];
	struct process processes[MAX_PROCESSES];
};

static int use_tsc;
static double ns_per_tick = 1.0;

static void die(const char *what)
{
	fprintf(stderr, "cycle: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static inline uint64_t now(void)
{
	return use_tsc ? __builtin_ia32_rdtsc() : clock_ns(CLOCK_MONOTONIC);
}

static void calibrate(void)
{
	uint64_t ns = clock_ns(CLOCK_MONOTONIC), ticks = __builtin_ia32_rdtsc(), until = ns + 20000000;

	while (clock_ns(CLOCK_MONOTONIC) < until)
		;
	ticks = __builtin_ia32_rdtsc() - ticks;
	ns_per_tick = (double)(clock_ns(CLOCK_MONOTONIC) - ns) / (double)ticks;
}

static inline void down(sem_t *lock)
{
	int spin;

	if (sem_trywait(lock) == 0)
		return;
	for (spin = 0; spin < SPINS; spin++) {
		__builtin_ia32_pause();
		if (sem_trywait(lock) == 0)
			return;
	}
	while (sem_wait(lock) != 0 && errno == EINTR)
		;
}

static inline void up(sem_t *lock)
{
	sem_post(lock);
}

static inline uint32_t bucket_of(uint64_t v)
{
	int shift;

	if (v < 2u << SUB_BITS)
		return (uint32_t)v;
	shift = 63 - __builtin_clzll(v) - SUB_BITS;
	if (shift > 33)
		return BUCKETS - 1;
	return ((uint32_t)shift << SUB_BITS) + (uint32_t)(v >> shift);
}

static uint64_t bucket_lower(uint32_t bucket)
{
	int shift;

	if (bucket < 2u << SUB_BITS)
		return bucket;
	shift = (int)(bucket >> SUB_BITS) - 1;
	return (uint64_t)((1u << SUB_BITS) + (bucket & ((1u << SUB_BITS) - 1))) << shift;
}

static inline void record(struct histogram *h, uint64_t v)
{
	h->total++;
	h->sum += v;
	if (v > h->max)
		h->max = v;
	h->counts[bucket_of(v)]++;
}

static inline uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* Takes: cluster lock, folio lock. Returns the PFN, or -1 when another process holds the slot. */
static inline long swap_in(struct segment *s, struct process *p, uint32_t cluster, uint32_t slot)
{
	struct cluster *ci = &s->clusters[cluster];
	uint32_t pfn = p->free[p->nr_free - 1];
	struct folio *folio = &s->folios[pfn];

	down(&folio->lock);
	down(&ci->lock);
	if (!(__atomic_load_n(&s->table[cluster][slot], __ATOMIC_RELAXED) & SHADOW)) {
		up(&ci->lock);
		up(&folio->lock);
		return -1;
	}
	__atomic_store_n(&s->table[cluster][slot], PFN_WORD(pfn), __ATOMIC_RELEASE);
	s->map[cluster][slot] |= HAS_CACHE;
	ci->cached++;
	up(&ci->lock);
	p->nr_free--;
	folio->swap = (uint64_t)cluster * SLOTS + slot;
	__atomic_store_n(&folio->refcount, 2, __ATOMIC_RELEASE);
	memcpy(s->memory[pfn], s->device[cluster * SLOTS + slot], PAYLOAD_BYTES);
	folio->flags = 1;
	up(&folio->lock);
	return pfn;
}

/* Takes: folio lock, cluster lock. */
static inline void reclaim(struct segment *s, struct process *p, uint32_t pfn)
{
	struct folio *folio = &s->folios[pfn];
	uint32_t cluster, slot;
	struct cluster *ci;

	down(&folio->lock);
	cluster = (uint32_t)(folio->swap / SLOTS);
	slot = (uint32_t)(folio->swap % SLOTS);
	ci = &s->clusters[cluster];
	memcpy(s->device[cluster * SLOTS + slot], s->memory[pfn], PAYLOAD_BYTES);
	down(&ci->lock);
	__atomic_store_n(&s->table[cluster][slot], SHADOW, __ATOMIC_RELEASE);
	s->map[cluster][slot] &= (uint8_t)~HAS_CACHE;
	ci->cached--;
	up(&ci->lock);
	folio->flags = 0;
	__atomic_store_n(&folio->refcount, 0, __ATOMIC_RELEASE);
	up(&folio->lock);
	p->free[p->nr_free++] = pfn;
}

static void work(struct segment *s, uint32_t me, uint32_t first, uint32_t clusters, uint64_t cycles)
{
	struct process *p = &s->processes[me];
	uint64_t random = 0x9E3779B97F4A7C15ull * (me + 1), wall, cpu, done, t0, t1, t2, r;
	long pfn;

	__atomic_store_n(&p->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&s->go, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (done = 0; done < cycles;) {
		r = next_random(&random);
		t0 = now();
		pfn = swap_in(s, p, first + (uint32_t)((r >> 32) % clusters), (uint32_t)r % SLOTS);
		if (pfn < 0) {
			p->lost++;
			continue;
		}
		t1 = now();
		reclaim(s, p, (uint32_t)pfn);
		t2 = now();
		record(&p->swap_in, t1 - t0);
		record(&p->reclaim, t2 - t1);
		done++;
	}
	p->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	p->wall_ns = clock_ns(CLOCK_MONOTONIC) - wall;
}

static struct segment *format(void)
{
	struct segment *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t i, j;

	if (s == MAP_FAILED)
		die("mmap");
	memset(s, 0, sizeof(*s));
	sem_init(&s->pair, 1, 1);
	for (i = 0; i < CLUSTERS; i++) {
		sem_init(&s->clusters[i].lock, 1, 1);
		s->clusters[i].count = SLOTS;
		for (j = 0; j < SLOTS; j++) {
			s->table[i][j] = SHADOW;
			s->map[i][j] = 1;
			memset(s->device[i * SLOTS + j], (int)(i + j), PAYLOAD_BYTES);
		}
	}
	for (i = 0; i < MAX_PROCESSES; i++) {
		for (j = 0; j < FOLIOS; j++) {
			sem_init(&s->folios[i * FOLIOS + j].lock, 1, 1);
			s->processes[i].free[j] = i * FOLIOS + j;
		}
		s->processes[i].nr_free = FOLIOS;
	}
	return s;
}

/* Every slot is swapped out again and holds what it held at first. */
static void verify(const struct segment *s)
{
	uint32_t i, j, k;

	for (i = 0; i < CLUSTERS; i++) {
		if (s->clusters[i].cached != 0)
			exit(3);
		for (j = 0; j < SLOTS; j++) {
			if (s->table[i][j] != SHADOW || s->map[i][j] != 1)
				exit(3);
			for (k = 0; k < PAYLOAD_BYTES; k++)
				if (s->device[i * SLOTS + j][k] != (char)(i + j))
					exit(3);
		}
	}
}

static double quantile_ns(const struct histogram *h, double q)
{
	uint64_t rank = (uint64_t)(q * (double)h->total), seen = 0;
	uint32_t i;

	for (i = 0; i < BUCKETS; i++) {
		seen += h->counts[i];
		if (seen > rank)
			return (double)bucket_lower(i) * (use_tsc ? ns_per_tick : 1.0);
	}
	return (double)h->max;
}

static void run_cycle(uint32_t processes, int disjoint, uint64_t cycles)
{
	struct segment *s = format();
	uint32_t i, share = disjoint ? CLUSTERS / processes : CLUSTERS;
	uint64_t wall = 0, cpu = 0, lost = 0;
	const struct histogram *h;
	int status;

	for (i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			work(s, i, disjoint ? i * share : 0, share, cycles);
			_exit(0);
		}
	}
	for (i = 0; i < processes; i++)
		while (!__atomic_load_n(&s->processes[i].ready, __ATOMIC_ACQUIRE))
			usleep(100);
	__atomic_store_n(&s->go, 1, __ATOMIC_RELEASE);
	for (i = 0; i < processes; i++)
		if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
			exit(2);
	verify(s);
	for (i = 0; i < processes; i++) {
		wall += s->processes[i].wall_ns;
		cpu += s->processes[i].cpu_ns;
		lost += s->processes[i].lost;
	}
	h = &s->processes[0].swap_in;
	printf("{\"wall_ns\": %.2f, \"cpu_ns\": %.2f, \"lost\": %llu, \"p50_ns\": %.0f, \"p99_ns\": %.0f, \"p999_ns\": %.0f}\n",
	       (double)wall / (double)(cycles * processes), (double)cpu / (double)(cycles * processes),
	       (unsigned long long)lost, quantile_ns(h, 0.5), quantile_ns(h, 0.99), quantile_ns(h, 0.999));
	munmap(s, sizeof(*s));
}

static void run_pair(uint64_t iterations)
{
	struct segment *s = format();
	uint64_t i, wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	for (i = 0; i < iterations; i++) {
		if (sem_trywait(&s->pair) != 0)
			exit(2);
		sem_post(&s->pair);
	}
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	printf("{\"wall_ns\": %.3f, \"cpu_ns\": %.3f}\n", (double)wall / (double)iterations, (double)cpu / (double)iterations);
	munmap(s, sizeof(*s));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "pair") && atoll(argv[2]) > 0) {
		run_pair((uint64_t)atoll(argv[2]));
		return 0;
	}
	if (argc == 6 && !strcmp(argv[1], "cycle") && atoi(argv[2]) > 0 && atoi(argv[2]) <= MAX_PROCESSES && atoll(argv[4]) > 0) {
		use_tsc = !strcmp(argv[5], "tsc");
		if (use_tsc)
			calibrate();
		run_cycle((uint32_t)atoi(argv[2]), !strcmp(argv[3], "disjoint"), (uint64_t)atoll(argv[4]));
		return 0;
	}
	fprintf(stderr, "usage: cycle pair ITERATIONS | cycle cycle PROCESSES shared|disjoint CYCLES ns|tsc\n");
	return 64;
}
