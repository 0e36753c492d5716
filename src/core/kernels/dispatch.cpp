// Which of the compiled kernels runs here.
#include <cstdlib>
#include <cstring>

#include "kernels/kernels.hpp"

namespace j4d {

namespace portable {
extern const Kernels kKernels;
}
#if defined(J4D_X86_KERNELS)
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
#endif

namespace {

const Kernels& choose() {
    const char* wanted = std::getenv("J4D_KERNELS");
    const auto allowed = [wanted](const Kernels& candidate) {
        return wanted == nullptr || *wanted == '\0' || std::strcmp(wanted, candidate.name) == 0;
    };
#if defined(J4D_X86_KERNELS)
    __builtin_cpu_init();
    const bool has_avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (has_avx512 && allowed(avx512::kKernels)) return avx512::kKernels;
    if (has_avx2 && allowed(avx2::kKernels)) return avx2::kKernels;
#else
    static_cast<void>(allowed);
#endif
    return portable::kKernels;
}

}  // namespace

const Kernels& kernels() {
    static const Kernels& chosen = choose();
    return chosen;
}

}  // namespace j4d
