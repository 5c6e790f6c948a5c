/* graph: see graph.h. */
#include "compute/cuda/graph.h"
#include <vector>

#define GRAPHS  32 /* kept; the one that was used least recently goes first */
#define BUCKETS 32
#define ALIGNED 256

struct answer {
    struct bundle out;
    const char *landed; /* pinned */
    std::function<void(const struct bundle &)> done;
};
struct instance {
    int bucket;
    size_t nodes;
    cudaGraphExec_t exec;
    uint64_t used; /* when */
};
struct cuda_graphs {
    bool recording, measuring, met[BUCKETS]; /* measuring: what of pinned there should be */
    int bucket;
    uint64_t clock;
    char *pinned;
    size_t room, at, wanted; /* bytes of pinned; taken; that there should have been */
    std::vector<struct answer> answers;
    std::vector<struct instance> instances;
};

static struct cuda_graphs *graphs_of(struct ptd_device *d)
{
    return cuda_of(d)->graphs;
}

static int bucket_of(long rows)
{
    int b = 0;
    while (b < BUCKETS - 1 && 1L << b < rows) b++;
    return b;
}

/* ---- pinned memory ---- */

/* All that used it is done. */
static void begin_pinned(struct ptd_device *d, struct cuda_graphs *g)
{
    g->at = 0;
    if (g->wanted <= g->room) return;
    cudaFreeHost(g->pinned);
    g->room = 2 * g->wanted;
    if (cudaMallocHost(reinterpret_cast<void **>(&g->pinned), g->room) == cudaSuccess) return;
    cudaGetLastError(); /* then nothing is recorded */
    g->pinned = NULL, g->room = 0;
}

/* NULL: there is no room this time. */
static char *take_pinned(struct cuda_graphs *g, size_t bytes)
{
    size_t at = g->at;
    g->at += (bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
    if (g->at > g->wanted) g->wanted = g->at;
    return g->at <= g->room ? g->pinned + at : NULL;
}

const void *cuda_graph_keep(struct ptd_device *d, const void *host, size_t bytes)
{
    struct cuda_graphs *g = graphs_of(d);
    if (!g || !(g->recording || g->measuring)) return NULL;
    char *p = take_pinned(g, bytes);
    if (g->measuring) return NULL;
    if (p) return memcpy(p, host, bytes);
    cuda_graph_flush(d);
    return NULL;
}

/* ---- graphs ---- */

static void drop(struct instance *i)
{
    if (i->exec) cudaGraphExecDestroy(i->exec);
    i->exec = NULL;
}

/* Of the bucket with so many nodes, or a place for one. */
static struct instance *instance_for(struct cuda_graphs *g, size_t nodes)
{
    struct instance *oldest = NULL;
    for (struct instance &i : g->instances) {
        if (i.bucket == g->bucket && i.nodes == nodes) return &i;
        if (!oldest || i.used < oldest->used) oldest = &i;
    }
    if (g->instances.size() < GRAPHS) {
        g->instances.push_back({});
        oldest = &g->instances.back();
    }
    drop(oldest);
    oldest->bucket = g->bucket, oldest->nodes = nodes;
    return oldest;
}

/* The instance does what the graph does. */
static void bring_up_to_date(struct ptd_device *d, struct instance *i, cudaGraph_t graph)
{
    cudaGraphExecUpdateResultInfo info;
    if (i->exec && cudaGraphExecUpdate(i->exec, graph, &info) != cudaSuccess) {
        cudaGetLastError(); /* other kinds of nodes: a new one */
        drop(i);
    }
    if (!i->exec) cuda_check(d, cudaGraphInstantiate(&i->exec, graph, 0), "a graph");
}

static void launch(struct ptd_device *d, struct cuda_graphs *g, cudaGraph_t graph)
{
    size_t nodes = 0;
    cuda_check(d, cudaGraphGetNodes(graph, NULL, &nodes), "a graph");
    if (!nodes) return;
    struct instance *i = instance_for(g, nodes);
    i->used = ++g->clock;
    bring_up_to_date(d, i, graph);
    if (i->exec) cuda_check(d, cudaGraphLaunch(i->exec, stream_of(d)), "a graph");
}

void cuda_graph_flush(struct ptd_device *d)
{
    struct cuda_graphs *g = graphs_of(d);
    cudaGraph_t graph = NULL;
    if (!g || !g->recording) return;
    g->recording = false;
    cuda_check(d, cudaStreamEndCapture(stream_of(d), &graph), "a graph");
    if (!graph) return;
    launch(d, g, graph);
    cudaGraphDestroy(graph);
    cuda_check(d, cudaStreamSynchronize(stream_of(d)), "a graph");
    for (struct answer &a : g->answers) {
        memcpy(a.out.bytes.data(), a.landed, a.out.bytes.size());
        a.done(a.out);
    }
    g->answers.clear();
}

/* ---- recording ---- */

void cuda_record(struct ptd_device *d, long rows)
{
    struct cuda *c = cuda_of(d);
    if (!c->graphs) c->graphs = new cuda_graphs();
    struct cuda_graphs *g = c->graphs;
    cuda_graph_flush(d);
    cuda_check(d, cudaStreamSynchronize(stream_of(d)), "a kernel");
    g->bucket = bucket_of(rows);
    begin_pinned(d, g);
    if (!g->met[g->bucket] || d->fault.status) {
        g->met[g->bucket] = g->measuring = true;
        return;
    }
    g->recording =
        cudaStreamBeginCapture(stream_of(d), cudaStreamCaptureModeThreadLocal) == cudaSuccess;
}

void cuda_play(struct ptd_device *d)
{
    struct cuda_graphs *g = graphs_of(d);
    cuda_graph_flush(d);
    if (g) g->measuring = false;
}

void cuda_answers(struct ptd_device *d, const struct bundle &out, const void *from,
                  const std::function<void(const struct bundle &)> &done)
{
    struct cuda_graphs *g = graphs_of(d);
    size_t bytes = out.bytes.size();
    char *landed = g && (g->recording || g->measuring) ? take_pinned(g, bytes) : NULL;
    if (landed && g->recording) {
        cuda_check(d, cudaMemcpyAsync(landed, from, bytes, cudaMemcpyDeviceToHost, stream_of(d)),
                   "a copy");
        g->answers.push_back({out, landed, done});
        return;
    }
    struct bundle now = out;
    cuda_fetch(d, now.bytes.data(), from, bytes);
    done(now);
}

void cuda_graph_close(struct ptd_device *d)
{
    struct cuda_graphs *g = graphs_of(d);
    if (!g) return;
    for (struct instance &i : g->instances) drop(&i);
    cudaFreeHost(g->pinned);
    delete g;
    cuda_of(d)->graphs = NULL;
}
