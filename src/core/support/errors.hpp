// Why there are no coefficients or no file.
#pragma once

#include <stdexcept>

namespace j4d {

// Bytes that are no JPEG file we read, or coefficients that no JPEG file holds.
class JpegError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// A JPEG file of a kind that we do not handle.
class UnsupportedError : public JpegError {
  public:
    using JpegError::JpegError;
};

}  // namespace j4d
