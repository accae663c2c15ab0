// What the pickle of a PyTorch archive says of its storages: name, element type and shape of the tensor in
// each. The pickle is read as data: of its opcodes (Python's pickletools) those that torch.save writes for
// tensors are followed on a stack of plain values, and no name in it is ever looked up or called.
// Functions without state.
#pragma once

#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "codec/tensor.h"

namespace wfs {

inline constexpr std::size_t torch_pickle_max = 8 << 20;  // longer ones are not read

// By the key of the storage, which is the name of its file in the archive below data/. A storage that
// several tensors share has the name of the first; one that no tensor covers as a whole is a vector. Names
// are the keys of the dictionaries on the way, joined by dots. Total: what is not understood is left out.
std::unordered_map<std::string, Tensor> torch_storages(Bytes pickle);

}  // namespace wfs
