/* blas: cuBLASLt's product by plain loops: see standin/cublasLt.h. What the library would refuse is
 * a fault. */
#include "engine.h"
#include "standin/cublasLt.h"

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h)
{
    *h = (cublasLtHandle_t)16;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t)
{
    return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion()
{
    return 130000;
}
