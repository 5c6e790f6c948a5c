# The second task, of many steps: charts of a real table (lib/data/charts.h). The base of seed 0 gets about
# 56 % right, with hints about 85 %.
MAX_TOKENS ?= 96
OVERLONG   ?= 24
WARM       ?= 400
ROWS       ?= 12288
TEST_ROWS  ?= 600
KINDS      ?= hinted:6000,find:3000,describe:1500,read:1000,spread:60,chain:30,hops:12,rowtop:10,coltop:5,peaks:10
TEACH      ?= all-plain:12288
MAKER      := charts
