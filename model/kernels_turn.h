// kernels_turn.h: squares of LANES x LANES 32-bit values turned in registers.

#if LANES == 16
#define LOW1 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define HIGH1 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define LOW2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define EVEN4 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define ODD4 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#elif LANES == 8
#define LOW1 0, 8, 1, 9, 4, 12, 5, 13
#define HIGH1 2, 10, 3, 11, 6, 14, 7, 15
#define LOW2 0, 1, 8, 9, 4, 5, 12, 13
#define HIGH2 2, 3, 10, 11, 6, 7, 14, 15
#define EVEN4 0, 1, 2, 3, 8, 9, 10, 11
#define ODD4 4, 5, 6, 7, 12, 13, 14, 15
#else
#define LOW1 0, 4, 1, 5
#define HIGH1 2, 6, 3, 7
#define LOW2 0, 1, 4, 5
#define HIGH2 2, 3, 6, 7
#endif

// t[r][c] becomes t[c][r]: squares of four inside the registers first, then the squares change places.
INLINE void turn(V t[LANES]) {
    V u[LANES];
    for (int i = 0; i < LANES; i += 4) { // u[i + j]: column j of every square of rows i … i + 3
        V a = SHUFFLE(t[i], t[i + 1], LOW1), b = SHUFFLE(t[i], t[i + 1], HIGH1);
        V c = SHUFFLE(t[i + 2], t[i + 3], LOW1), d = SHUFFLE(t[i + 2], t[i + 3], HIGH1);
        u[i] = SHUFFLE(a, c, LOW2), u[i + 1] = SHUFFLE(a, c, HIGH2);
        u[i + 2] = SHUFFLE(b, d, LOW2), u[i + 3] = SHUFFLE(b, d, HIGH2);
    }
    for (int j = 0; j < 4; j++) {
#if LANES == 16
        V a = SHUFFLE(u[j], u[4 + j], EVEN4), b = SHUFFLE(u[j], u[4 + j], ODD4);
        V c = SHUFFLE(u[8 + j], u[12 + j], EVEN4), d = SHUFFLE(u[8 + j], u[12 + j], ODD4);
        t[j] = SHUFFLE(a, c, EVEN4), t[8 + j] = SHUFFLE(a, c, ODD4);
        t[4 + j] = SHUFFLE(b, d, EVEN4), t[12 + j] = SHUFFLE(b, d, ODD4);
#elif LANES == 8
        t[j] = SHUFFLE(u[j], u[4 + j], 0, 1, 2, 3, 8, 9, 10, 11);
        t[4 + j] = SHUFFLE(u[j], u[4 + j], 4, 5, 6, 7, 12, 13, 14, 15);
#else
        t[j] = u[j];
#endif
    }
}
