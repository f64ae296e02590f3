// test_xml.c: annotation files; everything that is refused, with its line.
//
// Caught when broken on purpose: a reference decoded to one byte; the second object lost; ']]>' kept; a closing tag that
// is not compared.
#include <string.h>

#include "check.h"
#include "io/xml.h"

static const Xml *parse(Arena *a, const char *text) { return xml_parse(a, (Bytes){(const uint8_t *)text, strlen(text), "x.xml"}); }

static void test_annotation(Arena *a) { // as Stanford Dogs has them
    const Xml *x = parse(a, "\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!DOCTYPE annotation SYSTEM 'x.dtd'>\n<annotation verified='yes'  note=\"a &lt; b\n&#x1F408;\">\n"
                            "\t<folder>02085620</folder><!-- <object> -->\n\t<size><width>333</width><depth/></size>\n"
                            "\t<object><name> Chihuahua </name><bndbox><xmin>25</xmin><ymax>498.5</ymax></bndbox></object>\n"
                            "\t<object ><name><![CDATA[a <b> & c]]> d</name></object >\n</annotation>\n<!-- end -->\n");
    check_text("root", x->name, "annotation");
    check_text("text", xml_text(x, "folder"), "02085620");
    check(xml_real(x, "object.bndbox.xmin") == 25 && xml_real(x, "object.bndbox.ymax") == 498.5 && xml_real(x, "size.width") == 333, "numbers");
    check_text("spaces around", xml_text(x, "object.name"), "Chihuahua");
    const Xml *second = xml_next(xml_child(x, "object"));
    check_text("the second object, CDATA", xml_text(second, "name"), "a <b> & c d");
    check(!xml_next(second) && !xml_child(x, "nothing") && second->line == 8, "no third; its line");
    check_text("attributes", xml_attribute(x, "note"), "a < b \U0001f408");
    check_text("attributes", xml_attribute(x, "verified"), "yes");
    check(xml_attribute(x, "x") == NULL && xml_attribute(second, "x") == NULL && *xml_text(x, "size.depth") == 0, "what is not there");
    check_dies("a missing element", "x.xml:6: <size> holds no <height>") xml_text(x, "size.height");
    check_dies("no number", "x.xml:7: <name> is \"Chihuahua\"; a number is wanted") xml_real(x, "object.name");
    check_text("references", parse(a, "<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#xe9;</a>")->text, "<>&\"'AB\u00e9");
    const Xml *lines = parse(a, "<a b='\r\n-\r-\t-&#13;'>x\r\ny\rz<![CDATA[\r\n]]>.</a>");
    check_text("line ends", lines->text, "x\ny\nz\n.");
    check_text("line ends in an attribute", xml_attribute(lines, "b"), " - - -\r");
    check_text("text around children", parse(a, "<a> one <b>two</b> three </a>")->text, "one  three");
}

static void refused(Arena *a, const char *text, const char *part) { check_dies(text, part) parse(a, text); }

static void test_refused(Arena *a) {
    refused(a, "", "holds no XML element");
    refused(a, "  \n", "holds no XML element");
    refused(a, "text", "text outside of the root element");
    refused(a, "\x1F\x8B", "is compressed");
    refused(a, "<a></a>x", "text outside of the root element");
    refused(a, "<a/><b/>", "a second root element");
    refused(a, "<a>\n<b>\n", "ends inside <b> of line 2");
    refused(a, "<a>\n<b>\n</a>", "x.xml:3: </a> where </b> of line 2 is due");
    refused(a, "</a>", "a closing tag without its element");
    refused(a, "<a", "a tag that does not end");
    refused(a, "<a b", "an attribute without its value");
    refused(a, "<a b=c>", "an attribute without its quotes");
    refused(a, "<a b='c>", "an attribute that does not end");
    refused(a, "<a b='c'd='e'/>", "without a space between them");
    refused(a, "<a b='c' b='e'/>", "an attribute twice");
    refused(a, "<a b='<'/>", "'<' in an attribute");
    refused(a, "<a b='&#12'/>", "a character reference that is none");
    refused(a, "<a><1/></a>", "no name where one is due");
    refused(a, "<a>&nbsp;</a>", "an entity that is not one of XML's own five");
    refused(a, "<a>&#0;</a>", "a character reference that is none");
    refused(a, "<a>&#xD800;</a>", "a character reference that is none");
    refused(a, "<a>&#99999999999;</a>", "a character reference that is none");
    refused(a, "<a>&#;</a>", "a character reference that is none");
    refused(a, "<a><!-- </a>", "a comment that does not end");
    refused(a, "<a><![CDATA[ </a>", "a CDATA section that does not end");
    refused(a, "<?xml ", "an instruction that does not end");
    refused(a, "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "a document type with declarations, such as of entities");
    refused(a, "<a>\n\xe9</a>", "x.xml:2: not XML that is read here: a byte that is not UTF-8; convert");
    refused(a, "<?xml version='1.0' encoding = 'gb2312'?>\n<a>\xe9\xa9</a>", "x.xml:1: its first line says gb2312; convert it with `iconv -f gb2312 -t utf-8`, and have it say UTF-8");
    refused(a, "<?xml version=\"1.0\" encoding=\"latin1\"?><a>\xc3\xa9</a>", "x.xml:1: its first line says latin1");
    refused(a, "<a>\n\x01</a>", "x.xml:2: not XML that is read here: a control character");
    refused(a, "<a>\n\xef\xbf\xbf</a>", "x.xml:2: not XML that is read here: a control character");
    refused(a, "<a>&#1;</a>", "a character reference that is none");
    refused(a, "<a>&#xFFFE;</a>", "a character reference that is none");
    refused(a, "<a><!-- a -- b --></a>", "x.xml:1: not XML that is read here: \"--\" inside a comment");
    refused(a, "<a><!-- a ---></a>", "\"--\" inside a comment");
    refused(a, "<a>b ]]> c</a>", "\"]]>\" outside of a CDATA section");
    refused(a, "\n<?xml version='1.0'?><a/>", "x.xml:2: not XML that is read here: <?xml that is not the file's beginning");
    refused(a, "<a><? b?></a>", "no name where one is due");
    refused(a, "<a><?b+?></a>", "an instruction without a space behind its name");
    const char *const first[] = {"<?xml?>", "<?xml encoding='utf-8'?>", "<?xml version='1.0' Encoding='utf-8'?>", "<?xml version='1.0' standalone='yes' encoding='utf-8'?>", "<?xml version='1.0' a='b'?>",
                                 "<?xml version='1,0'?>", "<?xml version='1.0' encoding='a b'?>", "<?xml version='1.0' encoding=''?>", "<?xml version='1.0' standalone='no.'?>"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) refused(a, arena_print(a, "%s<a/>", first[i]), "x.xml:1: not XML that is read here: a first line <?xml … ?> of another form");
    check_text("a first line with all it can have", parse(a, "<?xml\tversion = \"1.0\"\nencoding='UTF-8' standalone='no' ?><?b?><?c d?><a>]]&gt;<!---b--></a>")->text, "]]>");
    check_text("a first line of other letters", parse(a, "<?xml version=\"1.0\" encoding=\"us-ascii\"?><a>b</a>")->text, "b");
    check_text("UTF-8 in small letters", parse(a, "<?xml version=\"1.0\" encoding=\"utf-8\"?><a>\xc3\xa9</a>")->text, "\u00e9");
    check_dies("UTF-16", "UTF-16; convert it") xml_parse(a, (Bytes){(const uint8_t *)"\xff\xfe<\0a\0", 6, "x"});
    check_dies("a zero byte", "a zero byte") xml_parse(a, (Bytes){(const uint8_t *)"<a>\0</a>", 8, "x"});
    char *deep = take(a, char, 3 * 300 + 1);
    for (int i = 0; i < 300; i++) memcpy(deep + 3 * i, "<a>", 3);
    deep[900] = 0;
    check_dies("300 elements inside each other", "more than 256 elements") parse(a, deep);
}

int main(void) {
    Arena *a = arena_new("test");
    test_annotation(a);
    test_refused(a);
    arena_free(a);
    return check_end();
}
