/* Made by make-pictures.py with Pillow; do not edit. Digests are FNV-1a, 64 bits, of the RGB bytes. */
static const struct { const char *file; int height, width; uint64_t digest; } decoded[] = {
    {"rgb.png", 14, 21, 0x5e9c5241f74fd33a},
    {"rgba.png", 14, 21, 0x2fafd078437c3916},
    {"grey-alpha.png", 14, 21, 0xd790a6da7aa3bc70},
    {"grey.png", 14, 21, 0xac91cf6f65e96e87},
    {"bits.png", 14, 21, 0x2799ee5af38a0f77},
    {"palette.png", 14, 21, 0x88a6d9d60d3cfc27},
    {"baseline.jpg", 14, 21, 0xcf122b5ae7358702},
    {"full.jpg", 14, 21, 0x326e5b23979ec6a5},
    {"progressive.jpg", 14, 21, 0xcf122b5ae7358702},
    {"grey.jpg", 14, 21, 0x147295b5c0036054},
};
/* baseline.jpg under EXIF orientation 1..8 */
static const struct { int height, width; uint64_t digest; } turned[] = {
    {14, 21, 0xcf122b5ae7358702},
    {14, 21, 0x370c1d70c06f2a4a},
    {14, 21, 0x48dd3046d18dac50},
    {14, 21, 0xd07587771d3dd040},
    {21, 14, 0xe706fece8b487530},
    {21, 14, 0xb0c7d610099c4f82},
    {21, 14, 0x155de71b3f71fd8a},
    {21, 14, 0xdbc6f97109dab738},
};
static const struct { int h, w, to_h, to_w; uint64_t digest; } resized[] = {
    {3, 5, 4, 4, 0x3601758c141f5daf},
    {5, 4, 2, 3, 0xaefa7cf1c1f128e4},
    {2, 2, 5, 7, 0xde780dfe94b8e8df},
    {28, 28, 96, 96, 0xd770ace1c8f1da67},
    {84, 84, 96, 96, 0x8190a9e3c2786d0f},
    {333, 500, 320, 512, 0x83793a7b74daf4bb},
    {100, 75, 32, 64, 0xa01c6e1c33305fc3},
    {48, 700, 96, 992, 0x44d3ac54928df9bc},
    {200, 64, 33, 64, 0x70ff43e97ad010a5},
    {64, 200, 64, 31, 0x2bf6906e0f184ad0},
    {1, 100, 32, 32, 0xfbe687876d14b665},
    {97, 89, 89, 97, 0xba28ca9f3817c5d2},
};
/* the bytes of the first three */
static const uint8_t resized_0[] = {64, 158, 159, 101, 66, 111, 162, 81, 90, 180, 60, 206, 38, 138, 112, 137, 31, 48, 143, 80, 33, 126, 69, 161, 122, 117, 65, 204, 78, 68, 112, 115, 65, 48, 137, 171, 255, 107, 47, 255, 177, 157, 86, 162, 166, 0, 221, 229};
static const uint8_t resized_1[] = {95, 111, 154, 107, 80, 88, 199, 82, 60, 160, 125, 133, 72, 154, 160, 124, 173, 116};
static const uint8_t resized_2[] = {62, 191, 183, 61, 184, 177, 59, 165, 162, 56, 134, 138, 52, 103, 112, 51, 84, 98, 50, 77, 92, 79, 168, 175, 78, 162, 169, 75, 148, 155, 71, 125, 132, 67, 102, 107, 65, 88, 93, 63, 82, 87, 124, 105, 153, 122, 105, 148, 118, 104, 136, 112, 102, 115, 105, 99, 94, 101, 98, 81, 100, 98, 76, 168, 42, 131, 166, 47, 127, 161, 59, 116, 152, 78, 98, 143, 96, 80, 137, 108, 69, 136, 113, 65, 185, 19, 123, 183, 25, 119, 177, 42, 109, 167, 69, 92, 158, 95, 75, 151, 112, 64, 149, 118, 60};
