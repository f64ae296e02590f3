// real.h: exp, log and cos in double with + - * / and a written order only: the same bits on every machine, which
// libm's do not promise (some builds of it use fused multiply-adds). Error below 4 ulp; for losses and schedules.
#ifndef RETINA_TRAIN_REAL_H
#define RETINA_TRAIN_REAL_H

double real_exp(double x);
double real_log(double x); // x > 0
double real_cos(double x); // |x| <= 1e5
double real_power(double base, long exponent); // exponent >= 0, by squaring

#endif
