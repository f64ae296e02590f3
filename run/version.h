// version.h: what --version prints, and what results say they were made by.
#ifndef RETINA_RUN_VERSION_H
#define RETINA_RUN_VERSION_H

#define VERSION "0.1"

#endif
