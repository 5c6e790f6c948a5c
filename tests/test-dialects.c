/* Rows as others write them: whatever the spelling, the same group; and rows that would be trained
 * blind, each refused by its field. */
#include "base/base64.h"
#include "data/dataset.h"
#include "data/image.h"
#include "judge/judge.h"
#include "judge/options.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/ptd-test-dialects-XXXXXX";
static char *red, *wide; /* two pictures in base64: 28x28 and, 56 wide, of 28 */

static void save(const char *path, int height, int width)
{
    struct ptd_image im = {height, width, ptd_array((size_t)height * width, 3)};
    if (ptd_image_save_png(&im, path) < 0) fail_msg("%s", ptd_failed_message());
    ptd_image_clear(&im);
}

static char *encoded(const char *path)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    FILE *f = fopen(path, "r");
    unsigned char b[4096] = {0};
    size_t n = fread(b, 1, sizeof b - 3, f), k = 0;
    char *text = ptd_alloc(4 * (n / 3 + 1) + 1);
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = b[i] << 16 | b[i + 1] << 8 | b[i + 2];
        for (int j = 0; j < 4; j++) text[k++] = letters[v >> (18 - 6 * j) & 63];
    }
    for (size_t i = 0; i < (3 - n % 3) % 3; i++) text[k - 1 - i] = '=';
    fclose(f);
    return text;
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("set", 0777) < 0 || mkdir("far", 0777) < 0)
        return -1;
    save("set/a.png", 28, 28);
    save("set/b.png", 28, 56);
    save("far/z.png", 28, 84);
    red = encoded("set/a.png");
    wide = encoded("set/b.png");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    free(red);
    free(wide);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") | (system(command) != 0);
}

static void put(const char *text)
{
    FILE *f = fopen("set/t.jsonl", "w");
    fputs(text, f);
    fclose(f);
}

/* ' is " in the lines below, A and B in braces the pictures' base64. */
static char *line_of(const char *row)
{
    struct ptd_buf out = {0};
    for (; *row; row++) {
        const char *part = strncmp(row, "{{A}}", 5) ? strncmp(row, "{{B}}", 5) ? NULL : wide : red;
        if (part)
            ptd_buf_add(&out, part, strlen(part)), row += 4;
        else
            ptd_buf_add(&out, *row == '\'' ? "\"" : row, 1);
    }
    ptd_buf_add(&out, "\n", 2);
    return out.data;
}

static int read_row(const char *row, const struct ptd_dataset_places *places, struct ptd_group *g)
{
    char *line = line_of(row);
    put(line);
    free(line);
    struct ptd_dataset *d = ptd_dataset_open_at("set/t.jsonl", places);
    if (!d) fail_msg("%s", ptd_failed_message());
    int rc = ptd_dataset_read(d, 0, NULL, g);
    ptd_dataset_close(d);
    return rc;
}

static void accept(const char *row, struct ptd_group *g)
{
    if (read_row(row, NULL, g) < 0) fail_msg("%.200s: %s", row, ptd_failed_message());
}

static void refuse(const char *row, const char *expected)
{
    struct ptd_group g = {0};
    if (read_row(row, NULL, &g) == 0) fail_msg("accepted: %.200s", row);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    const char *m = ptd_failed_message();
    if (strncmp(m, "set/t.jsonl:1: ", 15) != 0 || !strstr(m, expected))
        fail_msg("%.200s: \"%s\", expected \"%s\"", row, m, expected);
    if (strlen(m) > 300) fail_msg("a long message: %s", m);
}

/* The widths of all pictures, "28 56". */
static const char *widths(const struct ptd_group *g)
{
    static char text[64 * 6];
    *text = 0;
    for (int i = 0; i < g->n_pictures; i++)
        sprintf(text + strlen(text), i ? " %d" : "%d", g->pictures[i].width);
    return text;
}

/* ---- prompts ---- */

#define USER "{'role':'user','content':"

static void prompts_of_all_spellings_are_one(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{'problem':'<image>Q','answer':'5','images':['a.png']}",
        "{'question':'<image>Q','answer':'5','image':'a.png'}",
        "{'prompt':[" USER "'<image>Q'}],'answer':'5','image_path':'a.png'}",
        "{'prompt':[" USER "[{'type':'image'},{'type':'text','text':'Q'}]}],'answer':'5',"
        "'images':[{'path':'a.png','bytes':''}]}",
        "{'prompt':[" USER "[{'type':'image','text':null,'image':'a.png'},{'text':'Q'}]}],"
        "'answer':5}",
        "{'prompt':[" USER
        "[{'type':'image_url','image_url':{'url':'data:image/png;base64,{{A}}'}},"
        "'Q']}],'answer':5}",
        "{'messages':[" USER "'<image>Q'},{'role':'assistant','content':'5'}],'images':['a.png']}",
        "{'conversations':[{'from':'human','value':'<image>Q'},{'from':'gpt','value':'So "
        "\\\\boxed{5}.'}],'image':'a.png'}",
        "{'data_source':'s','prompt':[" USER "'<image>Q'}],'images':[{'bytes':'{{A}}'}],"
        "'reward_model':{'style':'rule','ground_truth':'5'},'extra_info':{'index':3}}",
        "{'problem':'<image>Q','solution':'<answer> 5 </answer>','image':{'bytes':'{{A}}',"
        "'path':'nowhere.png'}}",
        "{'problem':'<image>Q','answer':null,'ground_truth':5,'images':[],'image':'{{A}}'}",
        "{'problem':'<image_1>Q','answer':'5','image_1':{'bytes':'{{A}}'},'image_2':null}",
        "{'problem':'<image>Q','answer':'5','images':['a.png'],'videos':[],'video':null}",
        "{'prompt':[" USER "[{'type':'image','image':'a.png'},{'type':'text','text':'Q'}]}],"
        "'images':['a.png'],'answer':'5'}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ptd_group g = {0};
        accept(rows[i], &g);
        if (strcmp(g.question, "<image>Q") || strcmp(g.answer, "5") || g.n_turns || g.n_answers ||
            strcmp(widths(&g), "28"))
            fail_msg("%s: \"%s\", answer \"%s\", pictures %s", rows[i], g.question, g.answer,
                     widths(&g));
        ptd_group_clear(&g);
    }
}

static void turns_before_the_question_are_kept(void **state)
{
    (void)state;
    struct ptd_group g = {0};
    accept("{'messages':[{'role':'system','content':'S'}," USER "'<image>one'},"
           "{'role':'assistant','content':[{'type':'text','text':'u'},{'type':'text','text':'no'}]}"
           "," USER
           "'two <image>'},{'role':'assistant','content':'<think>x</think> \\\\boxed{9}'}],"
           "'images':['a.png','b.png']}",
           &g);
    assert_string_equal(g.system, "S");
    assert_int_equal(g.n_turns, 2);
    assert_string_equal(g.turns[0].role, "user");
    assert_string_equal(g.turns[0].text, "<image>one");
    assert_string_equal(g.turns[1].role, "assistant");
    assert_string_equal(g.turns[1].text, "uno");
    assert_string_equal(g.question, "two <image>");
    assert_string_equal(g.answer, "9");
    assert_string_equal(g.solution, "<think>x</think> \\boxed{9}");
    assert_string_equal(widths(&g), "28 56");
    ptd_group_clear(&g);
}

/* Roles in any case; pictures that are not shown are not looked for. */
static void roles_of_all_spellings_are_read(void **state)
{
    (void)state;
    struct ptd_group g = {0};
    accept("{'messages':[{'role':'developer','content':'S'},{'from':'Human','value':'a'},{'from':"
           "'GPT','value':'b'},{'role':'User','content':'q'},{'role':'model','content':'9'}]}",
           &g);
    assert_string_equal(g.system, "S");
    assert_string_equal(g.question, "q");
    assert_string_equal(g.answer, "9");
    char *line = line_of("{'prompt':[" USER "[{'type':'image','image':'a.png'},'q']}],'answer':1,"
                         "'images':['nope.png']}");
    put(line);
    struct ptd_dataset *d = ptd_dataset_open("set/t.jsonl");
    assert_int_equal(ptd_dataset_watch(d, NULL), 0);
    assert_int_equal(ptd_dataset_read(d, 0, NULL, &g), 0);
    ptd_dataset_close(d);
    ptd_group_clear(&g);
    free(line);
}

static void bad_turns_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *row, *expected;
    } table[] = {
        {"{'prompt':[" USER "'a'},{'role':'assistant','content':'b'}],'answer':1}",
         "field \"prompt\": turn 2: expected a user's turn last"},
        {"{'prompt':[{'role':'assistant','content':'b'}],'answer':1}", "turn 1: expected a user's"},
        {"{'prompt':[{'role':'system','content':'b'}],'answer':1}", "turn 1: expected a user's"},
        {"{'prompt':[" USER "'a'},{'role':'system','content':'b'}," USER "'c'}],'answer':1}",
         "turn 2: a system message, expected it first"},
        {"{'prompt':[{'role':'tool','content':'a'}],'answer':1}",
         "turn 1: role \"tool\", expected system, user or assistant"},
        {"{'prompt':['a'],'answer':1}", "turn 1: text, expected {\"role\", \"content\"}"},
        {"{'prompt':[" USER "null}],'answer':1}", "turn 1: content: missing"},
        {"{'prompt':[" USER "' '}],'answer':1}", "turn 1: empty"},
        {"{'prompt':[" USER "[7]}],'answer':1}", "turn 1: part 1: a whole number"},
        {"{'prompt':[" USER
         "[{'type':'text','text':'a'},{'type':'video','video':'v'}]}],'answer':1}",
         "turn 1: part 2: video, expected \"text\" or \"image\""},
        {"{'prompt':[" USER "[{'type':'text'}]}],'answer':1}", "part 1: \"text\" missing"},
        {"{'messages':[" USER
         "'a'},{'role':'assistant','content':[{'type':'image','image':'a.png'}]}],"
         "'answer':1}",
         "field \"messages\": turn 2: a picture, expected pictures in a user's turn only"},
        {"{'messages':[" USER "'a','images':['a.png']}],'answer':1}",
         "turn 1: pictures beside its content"},
        {"{'messages':[" USER "'a'},{'role':'assistant','content':'b\\nc'}]}",
         "field \"answer\": missing, expected text or a number (the solution wraps none"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        refuse(table[i].row, table[i].expected);
}

/* ---- pictures ---- */

static void marks_bring_pictures_into_order(void **state)
{
    (void)state;
    static const struct {
        const char *row, *question, *widths;
    } table[] = {
        {"{'prompt':'<image 2> or <image 1>?','answer':1,'images':['a.png','b.png']}",
         "<image> or <image>?", "56 28"},
        {"{'prompt':'<image2><image1> <image2>','answer':1,'images':['a.png','b.png']}",
         "<image><image> <image>", "56 28 56"},
        {"{'prompt':'a <image> b <image>','answer':1,'images':['b.png','{{A}}']}",
         "a <image> b <image>", "56 28"},
        {"{'prompt':'no mark','answer':1,'images':['b.png','a.png']}", "no mark", "56 28"},
        {"{'prompt':'which? <image 1>','options':['<image 3>','<image 2>'],'answer':'B',"
         "'image_1':'a.png','image_2':'b.png','image_3':{'bytes':'{{A}}'}}",
         "which? <image>\nA. <image>\nB. <image>", "28 28 56"},
        {"{'prompt':[" USER "[{'type':'image','image':'b.png'},{'type':'image'},'x']}],'answer':1,"
         "'images':['a.png']}",
         "<image><image>x", "56 28"},
        {"{'prompt':'<image\\u00011>x','answer':1}", "<image\0011>x",
         ""}, /* text is no mark of ours */
        {"{'prompt':[" USER "[{'type':'image','image':'b.png'},'<image\\u00011>']}],'answer':1}",
         "<image><image\0011>", "56"},
        {"{'prompt':'<image1 <image x> < image>','answer':1}", "<image1 <image x> < image>", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ptd_group g = {0};
        accept(table[i].row, &g);
        assert_string_equal(g.question, table[i].question);
        assert_string_equal(widths(&g), table[i].widths);
        ptd_group_clear(&g);
    }
}

static void nothing_is_trained_blind(void **state)
{
    (void)state;
    static const struct {
        const char *row, *expected;
    } table[] = {
        {"{'prompt':'p','image_1':'a.png','image_3':'b.png','answer':1}",
         "field \"image_3\": expected \"image_2\" before it"},
        {"{'prompt':'p','image_0':'a.png','image_1':'b.png','answer':1}",
         "field \"image_0\": expected \"image_1\" before it"},
        {"{'prompt':'<image>p','answer':1}", "field \"images\": 0 pictures, expected 1"},
        {"{'prompt':'<image>p','answer':1,'image':''}", "field \"images\": 0 pictures, expected 1"},
        {"{'prompt':'<image 2>p','answer':1,'image':'a.png'}",
         "field \"image\": 1 pictures, expected 2"},
        {"{'prompt':'<image 1>p','answer':1,'images':['a.png','b.png']}",
         "field \"images\": 2 pictures, expected 1"},
        {"{'prompt':'<image 1><image>','answer':1,'images':['a.png','b.png']}",
         "field \"images\": marked by <image> and by <image 1>"},
        {"{'prompt':[" USER "[{'type':'image'}]}],'answer':1}", "0 pictures, expected 1"},
        {"{'prompt':[" USER
         "[{'type':'image','image':'a.png'}]}],'answer':1,'images':['a.png','b.png']}",
         "2 pictures, expected 1"},
        {"{'prompt':'<video>p','answer':1}",
         "field \"prompt\": asks for a <video>, expected pictures only"},
        {"{'prompt':'<audio 1>p','answer':1}", "field \"prompt\": asks for a <audio>"},
        {"{'prompt':'<Video>p','answer':1,'image':'a.png'}",
         "field \"prompt\": asks for a <video>"},
        {"{'prompt':'p','answer':1,'image':'a.png','video_path':'a'}",
         "\"video_path\": is not read"},
        {"{'prompt':'p','answer':1,'audio_path':'v.wav'}", "field \"audio_path\": is not read"},
        {"{'prompt':[{'role':'system','content':[{'type':'image','image':'a.png'},'s']}," USER
         "'r'}],'answer':1}",
         "field \"prompt\": turn 1: a picture, expected"},
        {"{'prompt':[" USER "'q'},{'role':'assistant','content':[{'type':'image'},'s']}," USER
         "'r'}],'answer':1}",
         "field \"prompt\": turn 2: a picture, expected"},
        {"{'prompt':'p','answer':1,'videos':['a.mp4']}", "field \"videos\": is not read"},
        {"{'prompt':'p','answer':1,'video':{'path':'x'}}", "field \"video\": is not read"},
        {"{'prompt':'p','answer':1,'picture':'a.PNG'}",
         "field \"images\": missing, but field \"picture\" names a picture"},
        {"{'prompt':'p','answer':1,'figures':['x/a.jpeg']}", "field \"figures\" names a picture"},
        {"{'prompt':'p','answer':1,'decoded':{'bytes':'iVBO','path':null}}",
         "field \"decoded.bytes\" names a picture"},
        {"{'prompt':'p','answer':1,'images':['']}", "field \"images\": : expected a path inside"},
        {"{'prompt':'p','answer':1,'images':[null]}", "field \"images\": item 1: expected a path"},
        {"{'prompt':'p','answer':1,'images':[{'path':null,'bytes':null}]}",
         "field \"images\": item 1: holds no \"path\" and no \"bytes\""},
        {"{'prompt':'p','answer':1,'images':[{'bytes':[1,2]}]}", "item 1: expected a path"},
        {"{'prompt':'p','answer':1,'image':'https://example.org/a.png'}", "a web address"},
        {"{'prompt':'p','answer':1,'image':{'url':'http://example.org/a.png'}}", "a web address"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        refuse(table[i].row, table[i].expected);
}

/* A picture in a field that is not read, however deep and spelt. */
static void fields_that_mean_pictures_are_named(void **state)
{
    (void)state;
    static const char *const fields[][2] = {
        {"'image_base64':'{{A}}'", "image_base64"},
        {"'photo':'{{A}}'", "photo"},
        {"'data':['{{A}}']", "data"},
        {"'thumb':'data:image/gif;base64,R0lGOD'", "thumb"},
        {"'thumb':'SUkqAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'", "thumb"},
        {"'multi_modal_data':{'image':['img/a.png']}", "multi_modal_data.image"},
        {"'multi_modal_data':{'image':[{'array':[1,2]}]}", "multi_modal_data.image"},
        {"'extra_info':{'image':'img/a.png'}", "extra_info.image"},
        {"'metadata':{'source':'img/a.png'}", "metadata.source"},
        {"'metadata':[{},{'source':{'file':'a b/c.JPEG'}}]", "metadata.source.file"},
        {"'img_url':'https://q/a'", "img_url"},
        {"'src':'https://q/a.png?size=20'", "src"},
        {"'imageName':'a'", "imageName"},
        {"'image-file':'a'", "image-file"},
        {"'image_10':'a'", "image_10"},
        {"'img':[[0,0],[0,0]]", "img"},
        {"'image_id':262148", "image_id"},
        {"'pixel_values':[[0.5,0.5]]", "pixel_values"},
        {"'messages':[{'role':'user','content':[{'type':'image','image':'x'}]}]", "messages.con"},
        {"'extra_info':{'clip':'v/a.mp4'}", "extra_info.clip\" names a video"},
        {"'extra_info':{'video':['a']}", "extra_info.video\" names a video"},
        {"'clip':'v.wav'", "clip\" names a video"},
        {"'figure':'a.svg'", "figure"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char *row = ptd_format("{'prompt':'p','answer':1,%s}", fields[i][0]),
             *seen = ptd_format("{'prompt':'p','answer':1,'image':'a.png',%s}", fields[i][0]),
             *expected = ptd_format("field \"images\": missing, but field \"%s", fields[i][1]);
        struct ptd_group g = {0};
        refuse(row, expected);
        accept(seen, &g);
        ptd_group_clear(&g);
        free(row);
        free(seen);
        free(expected);
    }
}

/* What is about pictures, but none; and columns of mixed sets that are empty. */
static void fields_that_mean_none_are_left_alone(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "'image':''",
        "'images':[]",
        "'image':null",
        "'image':{}",
        "'extra_info':{'image':null,'images':[],'image_id':'','img':[null],'image_path':' '}",
        "'has_image':false",
        "'num_images':0",
        "'images_seen':3",
        "'image_id':-1",
        "'extra_info':{'image':false,'pixel_values':0}",
        "'image_size':[28,28]",
        "'extra_info':{'question':'Which file, a.png'}",
        "'extra_info':{'answer':'a.png'}",
        "'note':'written to a.png'",
        "'note':'one\\nimg/a.png'",
        "'source':'png'",
        "'hash':'.png'",
        "'reward_model':{'ground_truth':'a.png'}",
        "'id':'img/a.png'",
        "'code':'QkFTRTY0IG9mIHdvcmRzLCBub3Qgb2YgYSBwaWN0dXJlLCBhbmQgbG9uZw, enough for it'",
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char *row = ptd_format("{'prompt':'p','answer':1,%s}", fields[i]);
        struct ptd_group g = {0};
        accept(row, &g);
        assert_int_equal(g.n_pictures, 0);
        ptd_group_clear(&g);
        free(row);
    }
}

/* Marks that others use for pictures, in questions and turns, and text that only speaks of them. */
static void marks_of_others_ask_for_pictures(void **state)
{
    (void)state;
    static const char *const asked[] =
        {
            "![](img/a.png)",
            "![fig](img/a.png)",
            "<img src=\\'a.png\\'>",
            "<img>img/a.png</img>",
            "<img>",
            "<img/>",
            "<Image>",
            "<IMAGE>",
            "<ImageHere>",
            "<image_placeholder>",
            "[IMG]",
            "[image]",
            "[Image 1]",
            "<|image|>",
            "<|image_1|>",

            "<image:1>",
            "<image 0>",
            "<images>",
            "<image-2>",
            "<start_of_image>",
            "<im_patch>",
            "<picture>",
            "<img width=3 src=a.png>",
            "\\\\includegraphics[width=2cm]{a}",
            "data:image/png;base64,iVBO",
        },
                             *const said[] = {
                                 "What does `<img>` do?",
                                 "Which one shows a picture, \\'<img>\\' or \\'<a>\\'?",
                                 "In HTML, what is <img src=a.png> for?",
                                 "What does the <img> tag do?",
                                 "Is the tag <img> closed?",
                                 "What is shown?\\n```\\n<img src=a.png>\\n```",
                                 "f[image] and a[img]",
                                 "5![3](x)",
                                 "In Markdown, what is ![](a.png)?",
                                 "a < image > b",
                                 "An image of f: <x, y>",
                                 "\\\\operatorname{image}(f)",
                                 "<imagery>",
                                 "[imagine]",
                             };
    static const char *const rows[] = {"{'prompt':'p %s q','answer':1}",
                                       "{'prompt':[" USER "'%s'},{'role':'assistant','content':"
                                       "'a'}," USER "'q'}],'answer':1}"};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
            char *row = ptd_format(rows[k], asked[i]);
            refuse(row, "field \"prompt\": asks for what the row does not bring, by ");
            free(row);
        }
        for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
            char *row = ptd_format(rows[k], said[i]);
            struct ptd_group g = {0};
            accept(row, &g);
            ptd_group_clear(&g);
            free(row);
        }
    }
}

/* Nothing of what may be a picture's bytes is in a message, cut or damaged anyhow. */
static void base64_is_never_said(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{'prompt':'p','answer':1,'image':'data:image/png;base64,%s'}",
        "{'prompt':'p','answer':1,'images':['a.png',{'bytes':'%s'}]}",
        "{'prompt':'p','answer':1,'images':[{'path':'%s'}]}",
        "{'prompt':'p','answer':1,'image':'%s'}",
        "{'prompt':'p','answer':1,'image':'data:image/png,%s'}",
        "{'prompt':[" USER "[{'type':'image','image':'%s'}]}],'answer':1}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t at = 11; at < strlen(red); at += 7) {
            char *bad = ptd_strdup(red), *row;
            bad[at] = '%';
            row = ptd_format(rows[i], bad);
            refuse(row, i == 4             ? "a data URI without"
                        : at > 60 || i < 2 ? "is no base64"
                                           : "field \"");
            for (size_t k = 0; k + 12 < strlen(red); k++)
                if (memmem(ptd_failed_message(), strlen(ptd_failed_message()), red + k, 12))
                    fail_msg("%s", ptd_failed_message());
            free(row);
            free(bad);
        }
    refuse("{'prompt':'p','answer':1,'image':'"
           "SUkqAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
           "AAAAAAAA'}",
           "a long text");
}

static void pictures_come_from_elsewhere_when_told(void **state)
{
    (void)state;
    struct ptd_group g = {0};
    const struct ptd_dataset_places far = {.image_dir = "far"}, out = {.allow_outside = 1},
                                    none = {.image_dir = "nowhere"};
    const char *row = "{'prompt':'p','answer':1,'image':'z.png'}";
    assert_int_equal(read_row(row, &far, &g), 0);
    assert_string_equal(widths(&g), "84");
    assert_int_equal(read_row(row, NULL, &g), -1);
    assert_int_equal(ptd_failed_status(), PTD_NOINPUT);
    refuse("{'prompt':'p','answer':1,'image':'../far/z.png'}", "--allow-outside");
    assert_int_equal(read_row("{'prompt':'p','answer':1,'image':'../far/z.png'}", &out, &g), 0);
    char *absolute = ptd_format("{'prompt':'p','answer':1,'image':'%s/far/z.png'}", folder);
    char *uri =
        ptd_format("{'prompt':'p','answer':1,'image':{'url':'file://%s/far/z.png'}}", folder);
    refuse(absolute, "expected a path inside the data set's folder (or --image-dir");
    refuse(uri, "expected a path inside");
    assert_int_equal(read_row(absolute, &out, &g), 0);
    assert_int_equal(read_row(uri, &out, &g), 0);
    assert_string_equal(widths(&g), "84");
    assert_int_equal(symlink("../far/z.png", "set/link.png"), 0);
    assert_int_equal(read_row("{'prompt':'p','answer':1,'image':'link.png'}", &out, &g), 0);
    refuse("{'prompt':'p','answer':1,'image':'link.png'}", "is a symbolic link");
    assert_int_equal(read_row("{'prompt':'p','answer':1,'image':'../far'}", &out, &g), -1);
    assert_non_null(strstr(ptd_failed_message(), "expected a regular file"));
    assert_null(ptd_dataset_open_at("set/t.jsonl", &none));
    assert_int_equal(ptd_failed_status(), PTD_NOINPUT);
    free(uri);
    free(absolute);
    ptd_group_clear(&g);
}

static void base64_is_decoded_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bytes; /* bytes NULL: bad at `at` */
        size_t at;
    } table[] = {
        {"", "", 0},
        {"TQ==", "M", 0},
        {"TWE=", "Ma", 0},
        {"TWFu", "Man", 0},
        {"TWFuTQ", "ManM", 0},
        {"TW\nFu\r\n TQ= =", "ManM", 0},
        {"-_-_", "\xfb\xff\xbf", 0},
        {"T", NULL, 1},
        {"TWFuT", NULL, 5},
        {"TWF*", NULL, 3},
        {"TQ==TQ==", NULL, 2},
        {"TWFu=", NULL, 4},
        {"TQ===", NULL, 2},
        {"=", NULL, 0},
        {"TWFu\xc3\xa9", NULL, 4},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char out[64];
        size_t bad = 99, n = strlen(table[i].text);
        assert_true(PTD_BASE64_ROOM(n) <= sizeof out);
        long got = ptd_base64_decode(table[i].text, n, out, &bad);
        assert_int_equal(got, table[i].bytes ? (long)strlen(table[i].bytes) : -1);
        if (got < 0) assert_int_equal(bad, table[i].at);
        if (got > 0) assert_memory_equal(out, table[i].bytes, got);
    }
}

/* ---- answers ---- */

static void golds_come_out_of_their_wrapping(void **state)
{
    (void)state;
    static const struct {
        const char *row, *answer, *others, *solution;
    } table[] = {
        {"{'prompt':'p','answer':'<answer> 5 </answer>'}", "5", "", NULL},
        {"{'prompt':'p','answer':'$\\\\boxed{\\\\frac{1}{2}}$'}", "\\frac{1}{2}", "", NULL},
        {"{'prompt':'p','answer':'<answer>\\\\boxed{5}</answer>'}", "5", "", NULL},
        {"{'prompt':'p','answer':'48/2 = 24, 24 + 48 = 72\\n#### 72'}", "72", "",
         "48/2 = 24, 24 + 48 = 72\n#### 72"},
        {"{'prompt':'p','answer':'12 {cm}'}", "12 {cm}", "", NULL},
        {"{'prompt':'p','answer':['12','twelve',12.0,'12']}", "12", "twelve|12.0", NULL},
        {"{'prompt':'p','answer':['\\\\boxed{12}']}", "12", "", NULL},
        {"{'prompt':'p','ground_truth':0.10}", "0.10", "", NULL},
        {"{'prompt':'p','reward_model':{'ground_truth':['1','one']}}", "1", "one", NULL},
        {"{'prompt':'p','answer':'7','ground_truth':'8','solution':'\\\\boxed{9}'}", "7", "",
         "\\boxed{9}"},
        {"{'prompt':'p','answer':'','ground_truth':'8'}", "8", "", NULL},
        {"{'prompt':'p','solution':'$\\\\frac{63}{400}$'}", "$\\frac{63}{400}$", "",
         "$\\frac{63}{400}$"},
        {"{'prompt':'p','solution':'First.\\nThen \\\\boxed{3}, so \\\\boxed{4}'}", "4", "",
         "First.\nThen \\boxed{3}, so \\boxed{4}"},
        {"{'prompt':'p','answer':[10,20.50,30,40]}", "[10, 20.50, 30, 40]", "", NULL},
        {"{'prompt':'p','answer':[[1,2],[3,4]]}", "[[1, 2], [3, 4]]", "", NULL},
        {"{'prompt':'p','answer':[3,4]}", "3", "4", NULL},
        {"{'prompt':'p','answer':['x','y',3.50],'judge':'set'}", "x, y, 3.50", "", NULL},
        {"{'prompt':'p','answer':123456789012345678901234567890}", "123456789012345678901234567890",
         "", NULL},
        {"{'prompt':'p','answer':1e3}", "1e3", "", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ptd_group g = {0};
        accept(table[i].row, &g);
        char *others = ptd_group_join(&g, "|", g.answers, g.n_answers);
        if (strcmp(g.answer, table[i].answer) || strcmp(others, table[i].others))
            fail_msg("%s: \"%s\" and \"%s\"", table[i].row, g.answer, others);
        if (table[i].solution) assert_string_equal(g.solution, table[i].solution);
        if (!table[i].solution && g.solution) fail_msg("%s: %s", table[i].row, g.solution);
        ptd_group_clear(&g);
    }
    char *talk = ptd_format("{'prompt':'p','solution':'%0201d'}", 7);
    refuse(talk, "field \"answer\": missing");
    free(talk);
    refuse("{'prompt':'p','answer':'\\\\boxed{}'}", "field \"answer\": empty");
    refuse("{'prompt':'p','answer':'<answer> </answer>'}", "field \"answer\": empty");
    refuse("{'prompt':'p','answer':['1',true]}", "field \"answer\": true, expected text");
    refuse("{'prompt':'p','answer':['1','']}", "field \"answer\": empty");
    refuse("{'prompt':'p','ground_truth':{}}", "field \"ground_truth\": an object");
    refuse("{'prompt':'p','reward_model':{'ground_truth':false}}",
           "field \"reward_model.ground_truth\": false");
    refuse("{'prompt':'p','answer':1,'judge':'nonsense'}",
           "field \"judge\": \"nonsense\", expected one of auto");
    refuse("{'prompt':'p','answer':1,'judge':5}", "field \"judge\": a whole number");
}

/* What a list or an object becomes under a rule that takes lists is what that rule reads. */
static void lists_and_objects_are_read_by_their_judge(void **state)
{
    (void)state;
    static const struct {
        const char *row, *right, *wrong;
    } table[] = {
        {"{'prompt':'p','judge':'iou','answer':[10,20,30.5,40]}", "[10, 20, 30.5, 40]",
         "[50,50,60,60]"},
        {"{'prompt':'p','judge':'iou','answer':[[1,2,3,4],[5,6,7,8]]}", "[[5,6,7,8],[1,2,3,4]]",
         "[1,2,3,4]"},
        {"{'prompt':'p','judge':'iou','answer':{'bbox_2d':[1,2,3,4],'label':'x1'}}", "(1,2),(3,4)",
         "(1,2),(3,9)"},
        {"{'prompt':'p','judge':'iou','answer':'[1, 2, 3, 4]'}", "[1,2,3,4]", "[8,8,9,9]"},
        {"{'prompt':'p','judge':'point','answer':[10,20,30,40]}", "(15, 25)", "(5, 25)"},
        {"{'prompt':'p','judge':'f1','answer':['red','dark blue']}", "dark blue, red", "red"},
        {"{'prompt':'p','judge':'set','answer':[3,'\\\\frac{1}{2}']}", "0.5, 3", "3"},
        {"{'prompt':'p','options':['x','y','z'],'judge':'choice','answer':['A','C']}", "C, A", "A"},
        {"{'prompt':'p','judge':'f1','answer':['\\\\frac{1}{2}','5\\\"',1.50]}",
         "1.5, 5\", \\frac{1}{2}", "5, 1.5, \\frac{1}{2}"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ptd_group g = {0};
        accept(table[i].row, &g);
        const struct ptd_asked asked = {.answer = g.answer};
        struct ptd_gold *gold = ptd_gold_new(ptd_judge_named(g.judge), NULL, &asked);
        if (!gold) fail_msg("%s: %s", table[i].row, ptd_failed_message());
        double right = ptd_gold_score(gold, table[i].right, strlen(table[i].right), NULL);
        double wrong = ptd_gold_score(gold, table[i].wrong, strlen(table[i].wrong), NULL);
        if (right != 1 || wrong >= 1 || g.n_answers)
            fail_msg("%s: %s: %g, %g", table[i].row, g.answer, right, wrong);
        ptd_gold_free(gold);
        ptd_group_clear(&g);
    }
}

static void a_judge_goes_with_its_row(void **state)
{
    (void)state;
    struct ptd_group g = {0};
    accept("{'prompt':'p','answer':1,'judge':'exact'}", &g);
    assert_string_equal(g.judge, "exact");
    accept("{'prompt':'p','answer':1,'judge':null,'data_source':'s'}", &g);
    assert_null(g.judge);
    assert_string_equal(g.category, "s");
    accept("{'prompt':'p','answer':1,'category':'c','data_source':'s'}", &g);
    assert_string_equal(g.category, "c");
    ptd_group_clear(&g);
}

/* ---- options ---- */

static void options_go_into_the_question_and_can_be_read_back(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{'prompt':'which?','answer':'B','options':['red','dark  blue','3 cm']}",
        "{'prompt':'which?','answer':'(b)','choices':{'A':'red','B':'dark  blue','C':'3 cm'}}",
        "{'prompt':'which?','answer':'B. dark blue','options':[' red','dark  blue\\n','3 cm']}",
        "{'prompt':'which?','answer':'dark blue','options':['red','dark  blue','3 cm']}",
        "{'prompt':'which?','answer':'Dark  Blue','options':['red','dark  blue','3 cm']}",
        "{'prompt':'which?','answer':1,'options':['red','dark  blue','3 cm']}",
        "{'prompt':'which?','answer':'1','options':['red','dark  blue','3 cm']}",
        "{'prompt':'which?','answer':'\\\\boxed{B}','options':['red','dark  blue','3 cm']}",
        "{'prompt':'which?','answer':'y','options':{'x':'red','y':'dark  blue','z':'3 cm'}}",
        "{'prompt':'which?','answer':'2','choices':{'text':['red','dark  blue','3 "
        "cm'],'label':['1',"
        "'2','3']}}",
        "{'prompt':'which?','answer':2,'choices':{'1':'red','2':'dark  blue','3':'3 cm'}}",
        "{'prompt':'which?','answer':'q','options':[{'label':'p','text':'red'},{'label':'q','text':"
        "'dark  blue'},{'label':'r','text':'3 cm'}]}",
        "{'prompt':'which?','answer':'B','options':'[\\u0027red\\u0027, \\u0027dark  blue\\u0027, "
        "\\\"3 cm\\\"]'}",
        "{'prompt':'which?','answer':['B','dark  blue'],'options':['red','dark  blue','3 cm']}",
        "{'prompt':'which?\\nA. red\\nB. dark  blue\\nC. 3 cm','answer':1,'options':['red','dark  "
        "blue','3 cm']}",
        "{'prompt':'which?','answer':'B','options':['A. red','B. dark  blue','C. 3 cm']}",
        "{'prompt':'which?','answer':'dark blue','options':['(A) red','(B)dark  blue','(C) 3 cm']}",
        "{'prompt':'which?','answer':'B: dark blue','options':{'A':'A: red','B':'B: dark  "
        "blue','C':"
        "'C: 3 cm'}}",
        "{'prompt':'which?','answer':'B','options':'A. red\\nB. dark  blue\\nC. 3 cm'}",
        "{'messages':[" USER "'which?'},{'role':'assistant','content':'<answer>B</answer>'}],"
        "'options':['red','dark  blue','3 cm']}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ptd_group g = {0};
        struct ptd_options o;
        accept(rows[i], &g);
        if (strcmp(g.question, "which?\nA. red\nB. dark  blue\nC. 3 cm") || strcmp(g.answer, "B"))
            fail_msg("%s: \"%s\", answer %s", rows[i], g.question, g.answer);
        assert_int_equal(g.n_answers, 0);
        assert_int_equal(ptd_options_read(g.question, &o), 3);
        assert_int_equal(o.option[1].letter, 'B');
        assert_memory_equal(o.option[1].text, "dark  blue", o.option[1].len);
        ptd_group_clear(&g);
    }
}

/* In whatever form the question has them; and two options of a question are not three of a row. */
static void options_that_the_question_lists_are_not_put_there_again(void **state)
{
    (void)state;
    static const char *const listed[] = {
        "which? (A) red (B) dark blue (C) 3 cm", "which?\\nA: red\\nB: Dark blue\\nC: 3cm",
        "which?\\n**A.** red\\n**B.** dark blue\\n**C.** $3$ cm\\nAnswer with the letter."};
    for (size_t i = 0; i < sizeof listed / sizeof *listed; i++) {
        struct ptd_group g = {0};
        char *row = ptd_format("{'prompt':'%s','answer':2,'options':['red','dark blue','3 cm']}",
                               listed[i]);
        accept(row, &g);
        if (strstr(g.question, "\nC. 3 cm")) fail_msg("%s", g.question);
        assert_string_equal(g.answer, "C");
        ptd_group_clear(&g);
        free(row);
    }
    struct ptd_group g = {0};
    accept("{'prompt':'which?','answer':'dark blue','options':['red','dark\\nblue']}", &g);
    assert_string_equal(g.question, "which?\nA. red\nB. dark blue");
    assert_string_equal(g.answer, "B");
    accept("{'prompt':'which?','answer':'B','options':['A','B','C']}", &g);
    assert_string_equal(g.question, "which?");
    assert_string_equal(g.answer, "B");
    accept("{'prompt':'which?','answer':1,'options':['A dog','B movie']}", &g);
    assert_string_equal(g.question, "which?\nA. A dog\nB. B movie");
    accept("{'prompt':'red or dark blue? (A) or (B)','answer':2,'options':['red','dark blue','3 "
           "cm']}",
           &g);
    assert_non_null(strstr(g.question, "\nA. red\nB. dark blue\nC. 3 cm"));
    ptd_group_clear(&g);
}

static void an_answer_names_one_option(void **state)
{
    (void)state;
    static const struct {
        const char *row, *answer;
    } table[] = {
        {"{'prompt':'p','answer':2,'options':['1','2','3']}", "C"},   /* a number counts from 0 */
        {"{'prompt':'p','answer':'2','options':['1','2','3']}", "B"}, /* a text is one of them */
        {"{'prompt':'p','answer':2,'options':[1,2,3]}", "B"},
        {"{'prompt':'p','answer':2.50,'options':[1.5,2.50]}", "B"},
        {"{'prompt':'p','answer':0,'options':[1.5,2.50]}", "A"},
        {"{'prompt':'p','answer':['A','C'],'options':['x','y','z']}", "A, C"},
        {"{'prompt':'p','answer':[0,'z'],'options':['x','y','z']}", "A, C"},
        {"{'prompt':'p','answer':'AC','options':['x1','y1','z1']}", "A, C"},
        {"{'prompt':'p','answer':'A and C','options':['x1','y1','z1']}", "A, C"},
        {"{'prompt':'p','answer':'C, A','options':['x1','y1','z1']}", "A, C"},
        {"{'prompt':'p','answer':'red; dark blue','options':['red','pink','Dark blue']}", "A, C"},
        {"{'prompt':'p','answer':'AC','options':['AB','AC']}", "B"},
        {"{'prompt':'p','answer':'red, blue','options':['red','blue','red, blue']}", "C"},
        {"{'prompt':'p','solution':'so \\\\boxed{AC}','options':['x1','y1','z1']}", "A, C"},
        {"{'prompt':'p','ground_truth':'[\\'5\\']'}", "5"},
        {"{'prompt':'p','answer':'[1, 2]'}", "[1, 2]"},
        {"{'prompt':'(A) one (B) two','answer':'one','options':['one','two','ten']}", "A"},
        {"{'prompt':'p','answer':'free','options':[]}", "free"},
        {"{'prompt':'p','answer':'free','options':''}", "free"},
        {"{'prompt':'p','answer':'free','options':'[]','choices':null}", "free"},
        {"{'prompt':'p','answer':'A cat','options':['A dog','A cat']}", "B"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ptd_group g = {0};
        accept(table[i].row, &g);
        if (strcmp(g.answer, table[i].answer)) fail_msg("%s: %s", table[i].row, g.answer);
        ptd_group_clear(&g);
    }
    refuse("{'prompt':'(A) blue (B) red','options':['red','blue'],'answer':'B'}",
           "field \"options\": option 1 is B in the question's own list, expected one order");
    refuse("{'prompt':'(A) a1 (B) b1 (C) c1 (D) d1','options':['a1','b1','d1','c1'],'answer':'d1'}",
           "option 3 is D in the question's own list");
    refuse("{'prompt':'p','answer':'AD','options':['red','blue','green']}",
           "none of the 3 options");
    refuse("{'prompt':'p','answer':'red, pink','options':['red','blue']}", "none of the 2 options");
    refuse("{'prompt':'p','answer':'purple','options':['red','blue']}",
           "field \"answer\": \"purple\" is none of the 2 options");
    refuse("{'prompt':'p','answer':2,'options':['red','blue']}", "\"2\" is none of the 2 options");
    refuse("{'prompt':'p','answer':'C','options':['red','blue']}",
           "\"C\" is none of the 2 options");
    refuse("{'prompt':'p','answer':'A','options':['B','A','O']}",
           "\"A\" is the letter of option 1 and the text of option 2");
    refuse("{'prompt':'p','answer':'A','options':['x',null]}", "field \"options\": option 2: null");
    refuse("{'prompt':'p','answer':'A','options':['x','']}", "field \"options\": option 2: empty");
    refuse("{'prompt':'p','answer':'A','options':7}", "field \"options\": a whole number");
    refuse("{'prompt':'p','answer':'A','options':'[x, y]'}", "expected a list of texts");
    refuse("{'prompt':'p','answer':'A','options':['a','b','c','d','e','f','g','h','i','j','k']}",
           "field \"options\": expected at most 10 options");
}

/* ---- hints ---- */

static void hints_become_steps(void **state)
{
    (void)state;
    static const struct {
        const char *row, *steps;
    } table[] = {
        {"{'prompt':'Q','answer':1,'hint':'look left'}", "look left"},
        {"{'prompt':'Q','answer':1,'hint':'Hint: look left\\n'}", "look left"},
        {"{'prompt':'Q','answer':1,'hint':['one','two']}", "one|two"},
        {"{'prompt':'Q','answer':1,'steps':['own'],'hint':'look left'}", "own"},
        {"{'prompt':'Q','answer':1,'hint':'','prompt_with_hint':'Q\\nHint: look up'}", "look up"},
        {"{'prompt':'<image>Is it?','answer':1,'image':'a.png','prompt_with_hint':'<image>Is it?\\n"
         "look up'}",
         "look up"},
        {"{'prompt':'Q one. Answer briefly.','answer':1,'prompt_with_hint':'Q one. Look up. Answer "
         "briefly.'}",
         "Look up."},
        {"{'prompt':'Q?','answer':1,'prompt_with_hint':'Use this: look up. Q?'}",
         "Use this: look up."},
        {"{'prompt':'Q?','answer':1,'prompt_with_hint':'Use this. Q? Look up.'}",
         "Use this.  Look up."},
        {"{'prompt':'Q?','answer':1,'prompt_with_hint':'Another question. Look up.'}",
         "Another question. Look up."},
        {"{'prompt':'Q','answer':1,'prompt_with_hint':'Q'}", ""},
        {"{'prompt':[" USER "'Q'}],'answer':1,'prompt_with_hint':[" USER "'Q **Hint:** up'}]}",
         "up"},
        {"{'prompt':'Q','answer':1,'hint':null,'prompt_with_hint':null}", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ptd_group g = {0};
        accept(table[i].row, &g);
        char *steps = ptd_group_join(&g, "|", g.steps, g.n_steps);
        if (strcmp(steps, table[i].steps)) fail_msg("%s: \"%s\"", table[i].row, steps);
        ptd_group_clear(&g);
    }
    refuse("{'prompt':'Q','answer':1,'hint':5}", "field \"hint\": a whole number");
    refuse("{'prompt':'Q','answer':1,'hint':['a',5]}", "field \"hint\": item 2: no text");
}

/* ---- lists of rows ---- */

#define ROW(p) "{\"prompt\":\"" p "\",\"answer\":\"[1]\\\"]\"}"

static void a_list_is_read_as_lines_are(void **state)
{
    (void)state;
    static const char *const files[] = {
        "[" ROW("p0") "," ROW("p1") "," ROW("p2") "]",
        "\xef\xbb\xbf \r\n[\n  " ROW("p0") " ,\n\n" ROW("p1") "\t,\n  " ROW("p2") "\n]\r\n\n",
    };
    for (int k = 0; k < 2; k++) {
        struct ptd_group g = {0};
        put(files[k]);
        struct ptd_dataset *d = ptd_dataset_open("set/t.jsonl");
        if (!d) fail_msg("%s", ptd_failed_message());
        assert_int_equal(ptd_dataset_rows(d), 3);
        for (int i = 0; i < 3; i++) {
            char prompt[8], uid[8];
            snprintf(prompt, sizeof prompt, "p%d", i);
            snprintf(uid, sizeof uid, "row-%d", i + 1);
            if (ptd_dataset_read(d, i, NULL, &g) < 0) fail_msg("%s", ptd_failed_message());
            assert_string_equal(g.question, prompt);
            assert_string_equal(g.uid, uid);
            assert_string_equal(g.answer, "[1]\"]");
            assert_int_equal(ptd_dataset_line(d, i), i + 1);
        }
        ptd_group_clear(&g);
        ptd_dataset_close(d);
    }
}

static void faults_of_a_list_are_named_by_row(void **state)
{
    (void)state;
    static const struct {
        const char *file, *expected;
        int opens;
    } table[] = {
        {"[" ROW("p") ",{\"prompt\":\"p\"}]", ":2: field \"answer\": missing", 1},
        {"[" ROW("p") ",7]", ":2: a whole number, expected one JSON object", 1},
        {"[" ROW("p") " " ROW("p") "]", ":1: column", 1},
        {"[" ROW("p") ",{\"prompt\":}]", ":2: column", 1},
        {"[" ROW("p") "}]", ":1: column", 1},
        {"[" ROW("p") "," ROW("p"), ":2: the file ends within the list", 0},
        {"[" ROW("p") ",", ":2: the file ends within the list", 0},
        {"[", ":1: the file ends within the list", 0},
        {"[" ROW("p") ",]", ":2: empty, expected one JSON object", 0},
        {"[,]", ":1: empty, expected one JSON object", 0},
        {"[" ROW("p") "]]", ":2: the list of rows has ended", 0},
        {"[" ROW("p") "]\n" ROW("p"), ":2: the list of rows has ended", 0},
        {"[ ]", ": no rows, expected", 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ptd_group g = {0};
        put(table[i].file);
        struct ptd_dataset *d = ptd_dataset_open("set/t.jsonl");
        if (!d != !table[i].opens) fail_msg("%s", table[i].file);
        int rc = d ? 0 : -1;
        for (int k = 0; d && rc == 0 && k < ptd_dataset_rows(d); k++)
            rc = ptd_dataset_read(d, k, NULL, &g);
        assert_int_equal(rc, -1);
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        char *expected = ptd_format("set/t.jsonl%s", table[i].expected);
        if (strncmp(ptd_failed_message(), expected, strlen(expected)))
            fail_msg("%s: \"%s\", expected \"%s\"", table[i].file, ptd_failed_message(), expected);
        free(expected);
        ptd_dataset_close(d);
        ptd_group_clear(&g);
    }
}

/* Rows across blocks of the reader, and a change in one of them that leaves no other trace. */
static void a_long_list_is_cut_where_it_should(void **state)
{
    (void)state;
    enum { N = 7, LONG = 700000 };
    char *text = ptd_alloc(LONG + 1);
    struct ptd_group g = {0};
    struct stat st;
    memset(text, 'x', LONG);
    FILE *f = fopen("set/t.jsonl", "w");
    for (int i = 0; i < N; i++)
        fprintf(f, "%s{\"prompt\":\"%d %s\",\"answer\":%d}", i ? "\n,\n" : "[", i, text, i);
    fputs("]", f);
    fclose(f);
    struct ptd_dataset *d = ptd_dataset_open("set/t.jsonl");
    assert_int_equal(ptd_dataset_rows(d), N);
    for (int i = 0; i < N; i++) {
        if (ptd_dataset_read(d, i, NULL, &g) < 0) fail_msg("%s", ptd_failed_message());
        assert_int_equal(atoi(g.question), i);
    }
    assert_int_equal(stat("set/t.jsonl", &st), 0);
    f = fopen("set/t.jsonl", "r+");
    fseek(f, 2 * LONG, SEEK_SET);
    fputc('y', f);
    fclose(f);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, "set/t.jsonl", times, 0), 0);
    assert_int_equal(ptd_dataset_read(d, 0, NULL, &g), 0);
    assert_int_equal(ptd_dataset_read(d, 1, NULL, &g), -1);
    assert_non_null(strstr(ptd_failed_message(), "t.jsonl:2: the row was changed"));
    ptd_dataset_close(d);
    ptd_group_clear(&g);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_of_all_spellings_are_one),
        cmocka_unit_test(turns_before_the_question_are_kept),
        cmocka_unit_test(roles_of_all_spellings_are_read),
        cmocka_unit_test(bad_turns_are_named),
        cmocka_unit_test(marks_bring_pictures_into_order),
        cmocka_unit_test(nothing_is_trained_blind),
        cmocka_unit_test(fields_that_mean_pictures_are_named),
        cmocka_unit_test(fields_that_mean_none_are_left_alone),
        cmocka_unit_test(marks_of_others_ask_for_pictures),
        cmocka_unit_test(base64_is_never_said),
        cmocka_unit_test(pictures_come_from_elsewhere_when_told),
        cmocka_unit_test(base64_is_decoded_strictly),
        cmocka_unit_test(golds_come_out_of_their_wrapping),
        cmocka_unit_test(lists_and_objects_are_read_by_their_judge),
        cmocka_unit_test(a_judge_goes_with_its_row),
        cmocka_unit_test(options_go_into_the_question_and_can_be_read_back),
        cmocka_unit_test(options_that_the_question_lists_are_not_put_there_again),
        cmocka_unit_test(an_answer_names_one_option),
        cmocka_unit_test(hints_become_steps),
        cmocka_unit_test(a_list_is_read_as_lines_are),
        cmocka_unit_test(faults_of_a_list_are_named_by_row),
        cmocka_unit_test(a_long_list_is_cut_where_it_should),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
