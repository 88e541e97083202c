/* The descriptors that this process has open: a test compares before and after. */
#ifndef SUPPORT_DESCRIPTORS_H
#define SUPPORT_DESCRIPTORS_H

int descriptors_open(void);

#endif
