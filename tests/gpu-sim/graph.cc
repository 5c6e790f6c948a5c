/* graph: CUDA's graphs, recorded from one stream: a list of what was asked, in order. An instance
 * is brought up to date by a graph of the same kinds of nodes, whatever their arguments. */
#include "engine.h"
#include "standin/cuda_runtime.h"

long sim_instantiated, sim_updated, sim_launched, sim_graphs;

struct sim_node {
    std::function<void()> what;
    enum sim_kind kind;
};
struct sim_graph {
    std::vector<sim_node> nodes;
    bool spoilt;
};
struct sim_instance {
    std::vector<sim_node> nodes;
};

void sim_note(sim_graph *g, std::function<void()> what, enum sim_kind kind)
{
    g->nodes.push_back({std::move(what), kind});
}
void sim_spoil(sim_graph *g)
{
    g->spoilt = true;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode)
{
    if (!s || sim_records(s)) return cudaErrorStreamCaptureUnsupported;
    sim_records(s) = new sim_graph();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    *graph = NULL;
    sim_graph *g = s ? sim_records(s) : NULL;
    if (!g) return cudaErrorInvalidValue;
    sim_records(s) = NULL;
    sim_graphs++;
    if (!g->spoilt) return *graph = g, cudaSuccess;
    cudaGraphDestroy(g);
    return cudaErrorStreamCaptureInvalidated;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *, size_t *n)
{
    return *n = graph->nodes.size(), cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    return delete graph, sim_graphs--, cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    *exec = new sim_instance{graph->nodes};
    sim_graphs++, sim_instantiated++;
    return cudaSuccess;
}

static bool are_alike(const std::vector<sim_node> &a, const std::vector<sim_node> &b)
{
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++)
        if (a[i].kind != b[i].kind) return false;
    return true;
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo *info)
{
    bool alike = are_alike(exec->nodes, graph->nodes);
    info->result = alike ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateErrorTopologyChanged;
    if (!alike) return cudaErrorGraphExecUpdateFailure;
    exec->nodes = graph->nodes;
    return sim_updated++, cudaSuccess;
}

/* The instance may be brought up to date, or be gone, before the stream comes to it. */
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    sim_launched++;
    std::vector<sim_node> nodes = exec->nodes;
    sim_ask(s, [=] {
        for (const sim_node &n : nodes) n.what();
    });
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    return delete exec, sim_graphs--, cudaSuccess;
}
