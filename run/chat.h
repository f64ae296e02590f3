// chat.h: `retina chat`.
#ifndef RETINA_RUN_CHAT_H
#define RETINA_RUN_CHAT_H

int run_chat(int argc, char **argv);

#endif
