# The base as it is: nothing is trained.
PIPE = true
include $(dir $(lastword $(MAKEFILE_LIST)))../method.mk
