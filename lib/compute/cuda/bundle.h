/* bundle: lists of the host's side by side, each aligned, that go to the device in one copy;
 * answers that come back in one. */
#ifndef PTD_CUDA_BUNDLE_H
#define PTD_CUDA_BUNDLE_H
#include <stddef.h>
#include <string.h>
#include <vector>

struct bundle {
    std::vector<char> bytes;
    size_t room(size_t size, size_t aligned = 16) /* returns where it begins */
    {
        size_t at = (bytes.size() + aligned - 1) / aligned * aligned;
        bytes.resize(at + size);
        return at;
    }
    template <class E> size_t add(const E *from, size_t n)
    {
        size_t at = room(n * sizeof *from);
        if (n && from) memcpy(bytes.data() + at, from, n * sizeof *from);
        return at;
    }
    template <class E> size_t add(const std::vector<E> &list)
    {
        return add(list.data(), list.size());
    }
    template <class E> void take(E *to, size_t at, size_t n) const /* NULL: not wanted */
    {
        if (to && n) memcpy(to, bytes.data() + at, n * sizeof *to);
    }
};

/* What lies `at` bytes from the beginning of a bundle on the device. */
template <class E> static inline void place(E *&list, void *base, size_t at)
{
    list = reinterpret_cast<E *>(static_cast<char *>(base) + at);
}
#endif
