/* copy: cp.async: 16 bytes that come at once or as late as they may, when their group is waited
 * for. Until then they are no more what they were than what they will be. */
#include "engine.h"

uint32_t shared_address(const void *p)
{
    return (uint32_t)((const unsigned char *)p - sim_arena);
}

static void carry_out(const sim_copy &c)
{
    if (c.from)
        memcpy(c.to, c.from, 16);
    else
        memset(c.to, 0, 16);
}

static void check_places(const void *site, const unsigned char *to, const void *from)
{
    if ((uintptr_t)to % 16 || (uintptr_t)from % 16)
        sim_fault(site, "cp.async of 16 bytes that are not aligned");
    if ((size_t)(to - sim_arena) >= sim_arena_size)
        sim_fault(site, "cp.async to what is not shared memory");
    if ((size_t)((const unsigned char *)from - sim_arena) < sim_arena_size)
        sim_fault(site, "cp.async from shared memory");
    if (sim_stopped) sim_give_up();
}

void copy_async_16(void *to, const void *from, bool valid)
{
    sim_copy c = {(unsigned char *)to, valid ? (const unsigned char *)from : NULL, HERE};
    if (sim_stopped) sim_give_up();
    check_places(HERE, c.to, c.from);
    if (valid) watch_access(HERE, from, 16, 0, 0);
    watch_access(HERE, to, 16, 1, 0);
    if (sim_stopped) sim_give_up();
    watch_in_flight(to, 16, 1);
    if (!sim_late) carry_out(c);
    sim_thread_of(sim_rank).asked.push_back(c);
}

void copy_async_commit()
{
    sim_thread &t = sim_thread_of(sim_rank);
    t.groups.push_back(std::move(t.asked));
    t.asked.clear();
}

/* They count as written when they have come: who reads them needs a barrier after that. */
void sim_copy_wait(int left)
{
    std::vector<std::vector<sim_copy>> &groups = sim_thread_of(sim_rank).groups;
    while ((int)groups.size() > left) {
        for (const sim_copy &c : groups.front()) {
            if (sim_late) carry_out(c);
            watch_in_flight(c.to, 16, 0);
            watch_access(c.site, c.to, 16, 1, 0);
        }
        groups.erase(groups.begin());
    }
}

void sim_copies_at_end()
{
    sim_thread &t = sim_thread_of(sim_rank);
    size_t n = t.asked.size();
    for (const std::vector<sim_copy> &g : t.groups) n += g.size();
    if (n) sim_fault(NULL, "ends with %zu copies that it did not wait for", n);
}
