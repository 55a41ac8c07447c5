/* Sends RTP that was encrypted beforehand at its due times, and times what comes back. No crypto runs while measuring. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_STREAMS = 4096, MOST_SOCKETS = 2048, BATCH = 32, PACKET = 2048, BUCKETS = 20001, BUCKET_NS = 5000 };

typedef struct {
    const uint8_t *bytes;
    const uint32_t *offsets;
    const uint16_t *lengths;
    int64_t *sent_at;
    int count, fd;
    struct sockaddr_in to;
} stream;

typedef struct {
    int stream, known;
    uint16_t first;
} heard;

typedef struct {
    int fd;
    heard by_type[128];
} listener;

static stream streams[MOST_STREAMS];
static listener listeners[MOST_SOCKETS];
static int stream_count, listener_count;
static int64_t received, sent, refused, latest, histogram[BUCKETS];
static volatile int recording, stopping, finished;
static pthread_t sender, receiver;

static struct {
    const int64_t *due;
    const int32_t *stream, *index;
    int64_t count;
} plan;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int add_stream(int fd, uint32_t address, uint16_t port, const uint8_t *bytes, const uint32_t *offsets,
               const uint16_t *lengths, int count) {
    stream *s = &streams[stream_count];
    *s = (stream){bytes, offsets, lengths, calloc(count, sizeof(int64_t)), count, fd, {0}};
    s->to.sin_family = AF_INET;
    s->to.sin_addr.s_addr = address;
    s->to.sin_port = htons(port);
    return stream_count++;
}

int add_listener(int fd) {
    listeners[listener_count].fd = fd;
    for (int type = 0; type < 128; type++) listeners[listener_count].by_type[type] = (heard){-1, 0, 0};
    return listener_count++;
}

/* What arrives at this listener with this payload type is the stream, forwarded in order from its first packet on. */
void expect(int index, int type, int stream) { listeners[index].by_type[type].stream = stream; }

static void note(listener *l, const uint8_t *packet, int64_t at) {
    heard *h = &l->by_type[packet[1] & 127];
    if (h->stream < 0) return;
    uint16_t sequence = packet[2] << 8 | packet[3];
    if (!h->known) h->known = 1, h->first = sequence;
    received++;
    uint16_t index = sequence - h->first;
    const stream *s = &streams[h->stream];
    if (!recording || index >= s->count || !s->sent_at[index]) return;
    int64_t bucket = (at - s->sent_at[index]) / BUCKET_NS;
    histogram[bucket < 0 ? 0 : bucket >= BUCKETS ? BUCKETS - 1 : bucket]++;
}

static void *receive(void *unused) {
    static uint8_t buffers[BATCH][PACKET];
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    struct epoll_event events[256];
    int poll = epoll_create1(0);
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){buffers[i], PACKET};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (int i = 0; i < listener_count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(poll, EPOLL_CTL_ADD, listeners[i].fd, &event);
    }
    while (!stopping) {
        int ready = epoll_wait(poll, events, 256, 50);
        for (int i = 0; i < ready; i++) {
            listener *l = &listeners[events[i].data.u32];
            int count = recvmmsg(l->fd, messages, BATCH, MSG_DONTWAIT, NULL);
            int64_t at = now();
            for (int j = 0; j < count; j++) {
                const uint8_t *p = buffers[j];
                if (messages[j].msg_len > 12 && p[0] >> 6 == 2 && (p[1] < 192 || p[1] > 223)) note(l, p, at);
            }
        }
    }
    close(poll);
    return unused;
}

static void *transmit(void *unused) {
    int64_t begin = now() + 2000000;
    for (int64_t i = 0; i < plan.count && !stopping; i++) {
        int64_t due = begin + plan.due[i], t = now();
        if (due - t > 60000) {
            struct timespec until = {due / 1000000000, due % 1000000000};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        }
        while ((t = now()) < due) {}
        if (recording && t - due > latest) latest = t - due;
        stream *s = &streams[plan.stream[i]];
        int index = plan.index[i];
        s->sent_at[index] = t;
        const void *packet = s->bytes + s->offsets[index];
        if (sendto(s->fd, packet, s->lengths[index], MSG_DONTWAIT, (struct sockaddr *)&s->to, sizeof s->to) < 0) refused++;
        else sent++;
    }
    finished = 1;
    return unused;
}

void begin(const int64_t *due, const int32_t *stream, const int32_t *index, int64_t count) {
    plan.due = due, plan.stream = stream, plan.index = index, plan.count = count;
    stopping = finished = 0;
    pthread_create(&receiver, NULL, receive, NULL);
    pthread_create(&sender, NULL, transmit, NULL);
}

void record(int on) { recording = on; }

int done(void) { return finished; }

void end(void) {
    stopping = 1;
    pthread_join(sender, NULL);
    pthread_join(receiver, NULL);
}

/* received, sent, refused by the socket, worst lateness of the sender in ns */
void counts(int64_t *out) {
    out[0] = received, out[1] = sent, out[2] = refused, out[3] = latest;
}

int64_t *latencies(void) { return histogram; }
