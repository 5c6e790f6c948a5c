/* mutant: kernels in which every place that can be broken is, and which one it is this run says
 * (mutants.py, whose edits these names are): so one compilation serves all of them. */
#ifndef SIM_MUTANT_H
#define SIM_MUTANT_H

/* Whether it is the one; that it was asked for is noted. */
bool sim_is(int number);

/* a < sim_other(7, 'l') > b is a < b, or in mutant 7 a <= b; kinds: l <, L <=, g >, G >=. */
struct sim_comparison {
    int number;
    char kind;
};
static inline sim_comparison sim_other(int number, char kind)
{
    return sim_comparison{number, kind};
}
template <class T> struct sim_left {
    T x;
    sim_comparison how;
};
template <class T> static inline sim_left<T> operator<(T x, sim_comparison how)
{
    return sim_left<T>{x, how};
}
template <class T, class U> static inline bool operator>(sim_left<T> left, U y)
{
    bool other = sim_is(left.how.number);
    switch (left.how.kind) {
    case 'l':
        return other ? left.x <= y : left.x < y;
    case 'L':
        return other ? left.x < y : left.x <= y;
    case 'g':
        return other ? left.x >= y : left.x > y;
    }
    return other ? left.x > y : left.x >= y;
}
#endif
