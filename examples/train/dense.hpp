// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/shape.hpp>

namespace llep::train {

// What stands around the MoE layers, forward and backward, in plain loops. Gradients are added.

/// z = x w, for w [cols of x][cols of z].
template <class T>
void multiply(matrix_ref<T const> x, T const* w, matrix_ref<T> z) {
  for (std::int64_t t = 0; t < x.rows; ++t) {
    std::fill_n(z.row(t), z.cols, T{0});
    for (std::int64_t i = 0; i < x.cols; ++i)
      for (std::int64_t j = 0; j < z.cols; ++j) z.row(t)[j] += x.row(t)[i] * w[i * z.cols + j];
  }
}

/// gx += gz w^T and gw += x^T gz.
template <class T>
void multiply_back(matrix_ref<T const> x, T const* w, matrix_ref<T const> gz, matrix_ref<T> gx,
                   T* gw) {
  for (std::int64_t t = 0; t < x.rows; ++t) {
    for (std::int64_t i = 0; i < x.cols; ++i) {
      T sum{0};
      for (std::int64_t j = 0; j < gz.cols; ++j) {
        sum += gz.row(t)[j] * w[i * gz.cols + j];
        gw[i * gz.cols + j] += x.row(t)[i] * gz.row(t)[j];
      }
      gx.row(t)[i] += sum;
    }
  }
}

/// u = gain x h / root mean square of h, row by row.
template <class T>
void normalise(matrix_ref<T const> h, T const* gain, matrix_ref<T> u) {
  for (std::int64_t t = 0; t < h.rows; ++t) {
    T squares{0};
    for (std::int64_t i = 0; i < h.cols; ++i) squares += h.row(t)[i] * h.row(t)[i];
    T const scale = T{1} / std::sqrt(squares / static_cast<T>(h.cols) + static_cast<T>(1e-6));
    for (std::int64_t i = 0; i < h.cols; ++i) u.row(t)[i] = gain[i] * h.row(t)[i] * scale;
  }
}

template <class T>
void normalise_back(matrix_ref<T const> h, T const* gain, matrix_ref<T const> gu, matrix_ref<T> gh,
                    T* g_gain) {
  auto const width = static_cast<T>(h.cols);
  for (std::int64_t t = 0; t < h.rows; ++t) {
    T squares{0};
    T dot{0};
    for (std::int64_t i = 0; i < h.cols; ++i) {
      squares += h.row(t)[i] * h.row(t)[i];
      dot += gu.row(t)[i] * gain[i] * h.row(t)[i];
    }
    T const scale = T{1} / std::sqrt(squares / width + static_cast<T>(1e-6));
    for (std::int64_t i = 0; i < h.cols; ++i) {
      g_gain[i] += gu.row(t)[i] * h.row(t)[i] * scale;
      gh.row(t)[i] += scale * (gu.row(t)[i] * gain[i] - h.row(t)[i] * scale * scale * dot / width);
    }
  }
}

/// h[t] = sum over j of mix[j] x embed[context[t][j]], element by element.
template <class T>
void embed(std::vector<std::uint8_t> const& context, std::int64_t window, T const* table,
           T const* mix, matrix_ref<T> h) {
  for (std::int64_t t = 0; t < h.rows; ++t) {
    std::fill_n(h.row(t), h.cols, T{0});
    for (std::int64_t j = 0; j < window; ++j) {
      T const* const row = table + context[static_cast<std::size_t>(t * window + j)] * h.cols;
      for (std::int64_t i = 0; i < h.cols; ++i) h.row(t)[i] += mix[j * h.cols + i] * row[i];
    }
  }
}

template <class T>
void embed_back(std::vector<std::uint8_t> const& context, std::int64_t window, T const* table,
                T const* mix, matrix_ref<T const> gh, T* g_table, T* g_mix) {
  for (std::int64_t t = 0; t < gh.rows; ++t) {
    for (std::int64_t j = 0; j < window; ++j) {
      auto const symbol = context[static_cast<std::size_t>(t * window + j)];
      for (std::int64_t i = 0; i < gh.cols; ++i) {
        g_table[symbol * gh.cols + i] += gh.row(t)[i] * mix[j * gh.cols + i];
        g_mix[j * gh.cols + i] += gh.row(t)[i] * table[symbol * gh.cols + i];
      }
    }
  }
}

/// The sum over rows of -log softmax(z)[next], in nats; z becomes its gradient divided by `rows`.
template <class T>
double cross_entropy(matrix_ref<T> z, std::vector<std::uint8_t> const& next, std::int64_t rows) {
  double loss = 0;
  for (std::int64_t t = 0; t < z.rows; ++t) {
    T* const row = z.row(t);
    T const largest = *std::max_element(row, row + z.cols);
    T sum{0};
    for (std::int64_t j = 0; j < z.cols; ++j) sum += std::exp(row[j] - largest);
    auto const told = next[static_cast<std::size_t>(t)];
    loss += static_cast<double>(std::log(sum) + largest - row[told]);
    for (std::int64_t j = 0; j < z.cols; ++j)
      row[j] = std::exp(row[j] - largest) / sum / static_cast<T>(rows);
    row[told] -= T{1} / static_cast<T>(rows);
  }
  return loss;
}

}  // namespace llep::train
