// page_style.h: the style and the script of a report. Behind page.h.
#ifndef RETINA_ANALYSIS_PAGE_STYLE_H
#define RETINA_ANALYSIS_PAGE_STYLE_H

extern const char page_style[], page_script[];

#endif
