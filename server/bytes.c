/* The classes of bytes.
 *
 * Happy path: a look into the table. Failures: none. Close: nothing is held.
 */
#include "bytes.h"

enum {
    _ = 0,
    V = BYTE_TEXT,
    N = BYTE_TEXT | BYTE_TOKEN,
    Q = BYTE_TEXT | BYTE_TARGET,
    E = Q | BYTE_TOKEN,
    D = E | BYTE_HOST,
    G = Q | BYTE_PLAIN,
    S = G | BYTE_HOST,
    T = G | BYTE_TOKEN,
    H = S | BYTE_TOKEN,
    X = H | BYTE_HEX,
};

/* clang-format off */
const unsigned char byte_classes[256] = {
    _, _, _, _, _, _, _, _, _, V, _, _, _, _, _, _, /* NUL, HTAB */
    _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _,
    V, H, G, N, H, E, H, H, S, S, H, H, S, H, D, G, /* SP ! " # $ % & ' ( ) * + , - . / */
    X, X, X, X, X, X, X, X, X, X, G, S, G, S, G, Q, /* 0-9 : ; < = > ? */
    G, X, X, X, X, X, X, H, H, H, H, H, H, H, H, H, /* @ A-O */
    H, H, H, H, H, H, H, H, H, H, H, G, G, G, T, H, /* P-Z [ \ ] ^ _ */
    T, X, X, X, X, X, X, H, H, H, H, H, H, H, H, H, /* ` a-o */
    H, H, H, H, H, H, H, H, H, H, H, G, T, G, H, _, /* p-z { | } ~ DEL */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
};
/* clang-format on */
