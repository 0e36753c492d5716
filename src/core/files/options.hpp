// How files are read and written.
#pragma once

#include <cstdint>
#include <vector>

#include "files/frame.hpp"

namespace j4d {

struct Limits {
    std::int64_t pixels;                          // height x width, checked before anything of that size is allocated
    int scans;                                    // each scan of a progressive file costs time over the whole picture
    int markers = 4096;                           // segments before, between and after the scans
    std::int64_t memory = std::int64_t{1} << 50;  // bytes of the picture's coefficients, checked as pixels are
};

struct ReadOptions {
    Limits limits;
    bool tolerate_damage = false;  // else what libjpeg warns of is an error
    bool segments = false;         // keep the APPn and COM segments
};

struct WriteOptions {
    bool progressive = false;
    bool jfif = false;
    int restart_interval = 0;  // in MCUs; 0 for none
    std::vector<Marker> markers;
};

}  // namespace j4d
