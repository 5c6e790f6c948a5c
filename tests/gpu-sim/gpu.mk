# The GPU's kernels on a CPU: every .cu of lib/compute/cuda compiled by g++ for the emulator of this
# folder, into a plugin (device sim) and into the programs that test it.
GPU_DIR   = build/gpu-sim
GPU_CU   := $(sort $(wildcard lib/compute/cuda/*.cu))
GPU_CC   := $(filter-out $(wildcard tests/gpu-sim/test-*.cc),$(sort $(wildcard tests/gpu-sim/*.cc)))
GPU_SIM  := $(GPU_CC:tests/gpu-sim/%.cc=$(GPU_DIR)/%.o)
GPU_HOST := $(GPU_DIR)/host/compute/cpu/support.o $(GPU_DIR)/host/base/half.o
GPU_OBJ  := $(GPU_CU:lib/compute/cuda/%.cu=$(GPU_DIR)/%.cu.o) $(GPU_SIM) $(GPU_HOST)
GPU_TEST := $(patsubst tests/gpu-sim/test-%.cc,$(GPU_DIR)/test-%,$(sort $(wildcard tests/gpu-sim/test-*.cc)))
GPU_CXX   = $(CXX) -std=c++20 -g -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-parameter -D_GNU_SOURCE -fPIC -fno-exceptions \
            -fno-strict-aliasing -ffp-contract=off -fvisibility=hidden -Itests/gpu-sim/standin -Itests/gpu-sim -Ilib -MMD -MP
# The watch is the compiler's calls, answered by watch.cc.
GPU_WATCH = -O1 -fsanitize=thread,bounds-strict --param=tsan-instrument-func-entry-exit=0

.PHONY: gpu-sim gpu-mutants gpu-sass gpu-dialect
.SECONDARY: $(GPU_OBJ) $(GPU_TEST:%=%.o)
.PHONY: gpu-tests
gpu-tests: $(GPU_TEST) gpu-dialect
gpu-sim: gpu-tests
	@$(RUN) $(GPU_TEST)
# What kernels must not do, since nobody could see it go wrong.
gpu-dialect:
	@tests/gpu-sim/dialect.py $(GPU_CU) $(filter-out %/gpu.h,$(wildcard lib/compute/cuda/*.h))
# One barrier, wait, guard or bound broken at a time, what finds it, and what nobody does; GPU_SHARE=1/20: every 20th.
gpu-mutants: $(GPU_TEST)
	@GPU_LINK="$(GPU_HOST) $(BUILD)/libptd.a -lcmocka $(LIBS)" tests/gpu-sim/mutants.py $(GPU_CXX) $(GPU_WATCH)
# Registers, spills and instructions, where nvcc was; with cuobjdump (PyPI: nvidia-cuda-cuobjdump).
gpu-sass: plugin
	@tests/gpu-sim/sass.py $(NV_DIR)

$(GPU_DIR)/%.cu.o: lib/compute/cuda/%.cu $(GPU_DIR)/flags
	$(GPU_CXX) $(GPU_WATCH) -x c++ -c -o $@ $<
$(GPU_DIR)/%.cu.o: tests/gpu-sim/%.cu $(GPU_DIR)/flags
	$(GPU_CXX) $(GPU_WATCH) -x c++ -c -o $@ $<
$(GPU_DIR)/%.o: tests/gpu-sim/%.cc $(GPU_DIR)/flags
	$(GPU_CXX) -O2 -march=$(ARCH) -c -o $@ $<
$(GPU_DIR)/host/%.o: lib/%.c $(GPU_DIR)/flags
	@mkdir -p $(@D)
	$(CC) $(filter-out -fsanitize% -fno-sanitize%,$(ALL_CFLAGS)) -fPIC -fvisibility=hidden -c -o $@ $<
$(GPU_DIR)/test-head $(GPU_DIR)/test-kernels: $(BUILD)/libptd.a
$(GPU_DIR)/test-head $(GPU_DIR)/test-kernels: private LDLIBS = $(LIBS)
$(GPU_DIR)/test-watch: $(GPU_DIR)/faults.cu.o
$(GPU_DIR)/test-%: $(GPU_DIR)/test-%.o $(GPU_OBJ)
	$(CXX) -o $@ $^ -lcmocka -ldl $(LDLIBS)
# Where tests and programs look for it.
$(BUILD)/libptd-sim.so: $(GPU_OBJ) | $(BUILD) $(BIN)
	$(CXX) -shared -Wl,-Bsymbolic -o $@ $^
	@ln -f $@ $(BIN)/libptd-sim.so

$(GPU_DIR)/flags: FORCE | $(GPU_DIR)
	$(call KEEP,$(CXX) $(shell $(CXX) -dumpfullversion) $(GPU_CXX) $(GPU_WATCH) $(ARCH))
$(GPU_DIR):
	mkdir -p $@

# For the chip, where nvcc is; CUDA=0 leaves it out. What needs sm_90a is for Hopper alone, PTX for
# what comes after it.
CUDA     ?= 1
NVCC     := $(if $(filter-out 0,$(CUDA)),$(or $(shell command -v nvcc),$(wildcard /usr/local/cuda/bin/nvcc)))
NV_DIR    = build/cuda
NV_ARCH   = -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_90,code=compute_90
NV_FLAGS  = -std=c++20 -O3 -g -lineinfo -Ilib -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-D_GNU_SOURCE -Xptxas -v -MMD -MP
NV_LIB    = $(dir $(NVCC))../lib64
NV_OBJ   := $(GPU_CU:lib/compute/cuda/%.cu=$(NV_DIR)/%.o)
GPU_PLUGIN = $(if $(NVCC),$(BIN)/libptd-cuda.so)

plugin: $(GPU_PLUGIN)
$(NV_DIR)/%.o: lib/compute/cuda/%.cu $(NV_DIR)/flags
	@echo $(NVCC) -c -o $@ $<
	@$(NVCC) $(NV_FLAGS) $(NV_ARCH) -c -o $@ $< 2> $@.log; s=$$?; grep -vE '^(ptxas info|    [0-9]+ bytes|$$)' $@.log >&2; exit $$s
$(BIN)/libptd-cuda.so: $(NV_OBJ) $(GPU_HOST) | $(BIN)
	$(NVCC) -shared -cudart static -o $@ $^ -L$(NV_LIB) -lcublasLt -Xlinker -rpath,$(NV_LIB),-Bsymbolic
$(NV_DIR)/flags: FORCE | $(NV_DIR)
	$(call KEEP,$(NVCC) $(NV_FLAGS) $(NV_ARCH))
$(NV_DIR):
	mkdir -p $@

-include $(wildcard $(NV_DIR)/*.d)
-include $(wildcard $(GPU_DIR)/*.d)
