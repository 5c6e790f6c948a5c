# The GPU's kernels on a CPU: every .cu of lib/compute/cuda compiled by g++ for the emulator of this
# folder, into a plugin (device sim) and into the programs that test it.
GPU_DIR   = build/gpu-sim
GPU_CU   := $(sort $(wildcard lib/compute/cuda/*.cu))
GPU_CC   := $(filter-out $(wildcard tests/gpu-sim/test-*.cc),$(sort $(wildcard tests/gpu-sim/*.cc)))
GPU_SIM  := $(GPU_CC:tests/gpu-sim/%.cc=$(GPU_DIR)/%.o)
GPU_HOST := $(GPU_DIR)/host/compute/cpu/support.o $(GPU_DIR)/host/base/half.o $(GPU_DIR)/host/compute/cuda/lender.o
GPU_OBJ  := $(GPU_CU:lib/compute/cuda/%.cu=$(GPU_DIR)/%.cu.o) $(GPU_SIM) $(GPU_HOST)
GPU_TEST := $(patsubst tests/gpu-sim/test-%.cc,$(GPU_DIR)/test-%,$(sort $(wildcard tests/gpu-sim/test-*.cc))) \
            $(patsubst tests/gpu/test-%.c,$(BUILD)/test-gpu-%,$(sort $(wildcard tests/gpu/test-*.c)))
GPU_CXX   = $(CXX) -std=c++20 -g -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-parameter -D_GNU_SOURCE -fPIC -fno-exceptions \
            -fno-strict-aliasing -ffp-contract=off -fvisibility=hidden -Itests/gpu-sim/standin -Itests/gpu-sim -Ilib -MMD -MP
# The watch is the compiler's calls, answered by watch.cc.
GPU_WATCH = -O1 -fsanitize=thread,bounds-strict --param=tsan-instrument-func-entry-exit=0

.PHONY: gpu-sim gpu-mutants gpu-sass gpu-dialect
.SECONDARY: $(GPU_OBJ) $(GPU_TEST:%=%.o)
.PHONY: gpu-tests
gpu-tests: $(GPU_TEST) $(BUILD)/libptd-sim.so gpu-dialect
gpu-sim: gpu-tests
	@$(RUN) $(GPU_TEST)
# What kernels must not do, since nobody could see it go wrong.
gpu-dialect:
	@tests/gpu-sim/dialect.py $(GPU_CU) tests/gpu/instructions.cu $(filter-out %/gpu.h,$(wildcard lib/compute/cuda/*.h))
# One barrier, wait, guard or bound broken at a time, what finds it, and what nobody does; GPU_SHARE=1/20: every 20th.
gpu-mutants: $(filter $(GPU_DIR)/%,$(GPU_TEST))
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

# On a card (tests/gpu/RESULTS.md says what has been seen there): the same tests beside the CPU, and
# speed; DEVICE=sim: the script itself, on the emulator. gpu-pack: all of it, built for a machine
# that has a card and nothing else.
GPU_ON     = $(or $(DEVICE),cuda)
GPU_SIDES := driver kernels attention head
GPU_CHECK  = $(addprefix $(BUILD)/,test-ops test-rows test-device test-gpu-network gpu-speed) $(GPU_DIR)/check/instructions-sim
GPU_PARTS  = all $(GPU_CHECK) $(if $(filter sim,$(GPU_ON)),$(GPU_SIDES:%=$(GPU_DIR)/test-%) $(BUILD)/libptd-sim.so,$(GPU_CHIP))
GPU_CHIP   = $(NV_DIR)/check/instructions-chip $(GPU_SIDES:%=$(NV_DIR)/check/chip-test-%)
GPU_WHERE  = $(subst $(eval) ,$(comma),$(strip $(BIN) $(BUILD) $(GPU_DIR) $(GPU_DIR)/check $(NV_DIR)/check))

.PHONY: gpu-check gpu-bench gpu-pack gpu-parts
gpu-parts: $(GPU_PARTS)
gpu-check gpu-bench:
	+@if [ $(GPU_ON) != sim ] && ! nvidia-smi -L > /dev/null 2>&1; then \
	    echo "SKIP make $@: no NVIDIA card answers here (nvidia-smi); nothing was run on a chip"; \
	elif [ $(GPU_ON) != sim ] && [ -z "$(NVCC)" ]; then \
	    echo "SKIP make $@: nvcc is not here; build/gpu-pack.tar of make gpu-pack needs none"; \
	else $(MAKE) --no-print-directory gpu-parts && \
	    tests/gpu/gpu.py $(@:gpu-%=%) --in $(GPU_WHERE) --device $(GPU_ON) --logs build/gpu-logs --results tests/gpu/RESULTS.md; fi
gpu-pack:
	+@if [ -z "$(NVCC)" ]; then echo "SKIP make $@: nvcc is not here"; else \
	    for on in sim cuda; do $(MAKE) --no-print-directory gpu-parts DEVICE=$$on $(GPU_PACKED) || exit; done && \
	    tests/gpu/pack.sh build/gpu-pack build/pack/bin build/pack/cpu build/pack/sim build/pack/sim/check build/pack/cuda/check; fi
# Of any recent processor, for Hopper alone; OpenBLAS is what the pack has.
GPU_PACKED = BUILD=build/pack/cpu BIN=build/pack/bin GPU_DIR=build/pack/sim NV_DIR=build/pack/cuda ARCH=x86-64-v3 OPENBLAS=libopenblas.so.0 \
             NV_ARCH='-gencode arch=compute_90a,code=sm_90a'

$(BUILD)/test-gpu-%: tests/gpu/test-%.c $(BUILD)/libptd.a | $(BUILD)
	$(CC) $(ALL_CFLAGS) -MF $@.d -Itests -o $@ $< $(BUILD)/libptd.a -lcmocka $(LIBS)
$(BUILD)/gpu-speed: tests/gpu/speed.c $(BUILD)/libptd.a | $(BUILD)
	$(CC) $(ALL_CFLAGS) -MF $@.d -Itests -o $@ $< $(BUILD)/libptd.a $(LIBS)
$(GPU_DIR)/check/instructions-sim: tests/gpu/instructions.cu $(GPU_SIM) $(GPU_DIR)/flags
	@mkdir -p $(@D)
	$(GPU_CXX) $(GPU_WATCH) -x c++ -c -o $@.o $<
	$(CXX) -o $@ $@.o $(GPU_SIM) -ldl
$(NV_DIR)/check/instructions-chip: tests/gpu/instructions.cu $(NV_DIR)/flags
	@mkdir -p $(@D)
	$(NVCC) $(NV_FLAGS) $(NV_ARCH) -cudart static -MF $@.d -o $@ $< 2> $@.log || { cat $@.log; exit 1; }
# The emulator's tests with the plugin for the chip in its place.
$(NV_DIR)/check/chip-test-%: $(GPU_DIR)/test-%.o tests/gpu/chip.cc $(BUILD)/libptd.a $(BIN)/libptd-cuda.so
	@mkdir -p $(@D)
	$(GPU_CXX) -MF $@.d -o $@ $< tests/gpu/chip.cc -L$(BIN) -l:libptd-cuda.so $(BUILD)/libptd.a -lcmocka $(LIBS) -Wl,-rpath,'$$ORIGIN',--allow-shlib-undefined
